"""Models converted by others learn here as they learned in the framework that made them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edge_client.litert.graph import TrainingGraph
from edge_client.litert.head import NewHead
from edge_client.litert.network import Scope
from edge_client.litert.trainable import TrainingOptions, make_trainable

MODELS = Path(__file__).resolve().parents[1] / "fixtures" / "models"
Batch = tuple[np.ndarray, np.ndarray]
CLASSES = 5
LOSS_TOLERANCE = 1e-3


def batches(seed: int, steps: int, shape: tuple[int, ...], batch: int) -> Iterator[Batch]:
    """The data of scripts/fixtures, made again."""
    random = np.random.default_rng(seed)
    means = random.normal(0, 1, (CLASSES, *shape))
    for _ in range(steps):
        y = random.integers(0, CLASSES, batch)
        x = means[y] * 0.5 + random.normal(0, 1, (batch, *shape))
        yield x.astype(np.float32), y.astype(np.int32)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.json")), ids=lambda path: path.stem)
def test_the_loss_follows_the_framework_at_every_step(path: Path) -> None:
    record = json.loads(path.read_text())
    options = TrainingOptions(batch=record["batch"])
    graph = TrainingGraph.open(make_trainable(path.with_suffix(".tflite").read_bytes(), options))
    weight, rate = np.ones(record["batch"], np.float32), record["learning_rate"]
    data = batches(record["seed"], record["steps"], graph.manifest.input_dims, record["batch"])
    losses = [graph.train_step(x, y, weight, rate) for x, y in data]
    assert len(losses) == record["steps"] >= 100
    np.testing.assert_allclose(losses, record["losses"], rtol=LOSS_TOLERANCE)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.json")), ids=lambda path: path.stem)
def test_infer_equals_the_model_it_was_made_from(path: Path) -> None:
    model = path.with_suffix(".tflite").read_bytes()
    graph = TrainingGraph.open(make_trainable(model, TrainingOptions(batch=8)))
    (x, _), *_ = batches(1, 1, graph.manifest.input_dims, 8)
    if path.stem.startswith("torch"):
        # These files give logits for a fixed batch.
        np.testing.assert_allclose(graph.infer(x), run_by_parts(model, x), rtol=1e-4, atol=1e-6)
        return
    np.testing.assert_allclose(graph.infer(x), run(model, x), rtol=1e-4, atol=1e-6)


def run_by_parts(model: bytes, x: np.ndarray) -> np.ndarray:
    """The model's own output, as many samples at a time as it takes."""
    batch = Interpreter(model_content=model).get_input_details()[0]["shape"][0]
    return np.concatenate([run(model, part) for part in np.split(x, len(x) // batch)])


def run(model: bytes, x: np.ndarray) -> np.ndarray:
    """The model's own output, in its own type."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    given = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(given["index"], x.shape)
    interpreter.allocate_tensors()
    scale, zero = given["quantization"]
    value = x if not scale else np.clip(np.round(x / scale) + zero, -128, 127).astype(given["dtype"])
    interpreter.set_tensor(given["index"], value)
    interpreter.invoke()
    output = interpreter.get_output_details()[0]
    result = interpreter.get_tensor(output["index"])
    scale, zero = output["quantization"]
    return (result.astype(np.float32) - zero) * np.float32(scale) if scale else result


def test_a_float_head_learns_on_an_int8_backbone() -> None:
    model = (MODELS / "int8_backbone.tflite").read_bytes()
    name = Interpreter(model_content=model).get_output_details()[0]["name"]
    head = NewHead(CLASSES, tensor=name)
    options = TrainingOptions(batch=8, new_head=head, scope=Scope(layers=1))
    graph = TrainingGraph.open(make_trainable(model, options))
    kernel, bias = (array.astype(np.float64) for array in graph.get_weights())
    expected, losses = [], []
    for x, y in batches(3, 100, (16, 16, 1), 8):
        losses.append(graph.train_step(x, y, np.ones(8, np.float32), 0.1))
        features = run(model, x).astype(np.float64)
        p = np.exp(features @ kernel.T + bias)
        p /= p.sum(axis=1, keepdims=True)
        expected.append(-np.log(p[np.arange(8), y]).mean())
        p[np.arange(8), y] -= 1
        kernel, bias = kernel - 0.1 / 8 * p.T @ features, bias - 0.1 * p.mean(axis=0)
    np.testing.assert_allclose(losses, expected, rtol=LOSS_TOLERANCE)
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
