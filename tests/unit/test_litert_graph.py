"""Running a training graph: state that survives a restart, and clear errors for what does not fit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_client.litert.graph import TrainingGraph, _in_order
from edge_client.litert.ir import ModelError
from edge_client.litert.optimizers import Optimizer
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net

BATCH = 4
WIDTHS = (6, 5, 3)


def made(optimizer: Optimizer = Optimizer.SGD) -> bytes:
    return make_trainable(dense_net(WIDTHS, seed=1), TrainingOptions(batch=BATCH, optimizer=optimizer))


def batch(seed: int = 0) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    x = random.standard_normal((BATCH, WIDTHS[0])).astype(np.float32)
    return x, random.integers(0, WIDTHS[-1], BATCH).astype(np.int32), np.ones(BATCH, np.float32)


def losses(graph: TrainingGraph, steps: int) -> list[float]:
    return [graph.train_step(*batch(step), 0.1) for step in range(steps)]


@pytest.mark.parametrize("optimizer", Optimizer)
def test_weights_and_state_carry_over_to_another_process_image(optimizer: Optimizer) -> None:
    data = made(optimizer)
    first, second = TrainingGraph.open(data), TrainingGraph.open(data)
    losses(first, 5)
    second.set_weights(first.get_weights())
    second.set_state(first.get_state())
    assert losses(first, 5) == losses(second, 5)
    for mine, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("optimizer", [Optimizer.MOMENTUM, Optimizer.ADAM])
def test_reset_optimizer_forgets_the_past_and_keeps_the_weights(optimizer: Optimizer) -> None:
    graph = TrainingGraph.open(made(optimizer))
    fresh = graph.get_state()
    losses(graph, 3)
    weights = graph.get_weights()
    graph.reset_optimizer()
    for state, first in zip(graph.get_state(), fresh, strict=True):
        np.testing.assert_array_equal(state, first)
    for now, before in zip(graph.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, before)


def test_the_manifest_names_the_weights_in_order() -> None:
    graph = TrainingGraph.open(made())
    assert [tensor.name for tensor in graph.manifest.tensors] == [
        "dense_1/kernel",
        "dense_1/bias",
        "dense_2/kernel",
        "dense_2/bias",
    ]
    assert [array.shape for array in graph.get_weights()] == [
        tensor.dims for tensor in graph.manifest.tensors
    ]


def test_infer_gives_probabilities_and_evaluate_sums() -> None:
    graph = TrainingGraph.open(made())
    x, y, weight = batch()
    probabilities = graph.infer(x)
    loss_sum, correct_sum, weight_sum = graph.evaluate(x, y, weight)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(loss_sum, -np.log(probabilities[np.arange(BATCH), y]).sum(), rtol=1e-5)
    assert correct_sum == (probabilities.argmax(axis=1) == y).sum()
    assert weight_sum == BATCH


@pytest.mark.parametrize(
    ("which", "wrong"),
    [
        (0, np.zeros((BATCH, 5), np.float32)),
        (0, np.zeros((BATCH, 6), np.float64)),
        (1, np.zeros((BATCH, 1), np.int32)),
        (1, np.zeros(BATCH, np.int64)),
        (2, np.zeros(BATCH + 1, np.float32)),
    ],
)
def test_arrays_that_do_not_fit_are_a_value_error(which: int, wrong: np.ndarray) -> None:
    graph = TrainingGraph.open(made())
    x, y, weight = (wrong if i == which else array for i, array in enumerate(batch()))
    for call in (lambda: graph.train_step(x, y, weight, 0.1), lambda: graph.evaluate(x, y, weight)):
        with pytest.raises(ValueError, match="not"):
            call()


def test_weights_that_do_not_fit_are_a_value_error() -> None:
    graph = TrainingGraph.open(made())
    with pytest.raises(ValueError, match="not float32 of shapes"):
        graph.set_weights(graph.get_weights()[:-1])
    with pytest.raises(ValueError, match="not float32 of shapes"):
        graph.set_state([np.zeros(1, np.float32)])


def test_a_file_without_manifest_says_how_to_make_one() -> None:
    with pytest.raises(ModelError, match="edge-client trainable"):
        TrainingGraph.open(dense_net(WIDTHS, seed=1))


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"\x10\0\0\0TFL3", b"\xff\xff\xff\xffTFL3" + b"\xff" * 64]
)
def test_files_that_are_no_training_graph_are_one_typed_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        TrainingGraph.open(path)
    with pytest.raises(ModelError):
        TrainingGraph.open(content)


def test_a_manifest_of_another_graph_is_refused() -> None:
    data = made()
    manifest = TrainingGraph.open(data).manifest
    for other in (replace(manifest, batch=5), replace(manifest, tensors=manifest.tensors[::-1])):
        swapped = data.replace(manifest.encode(), other.encode())
        assert swapped != data
        with pytest.raises(ModelError, match="manifest"):
            TrainingGraph.open(swapped)


def test_more_than_a_thousand_tensors_keep_their_order() -> None:
    names = [f"w{i:03}" for i in range(1200)]
    assert _in_order(names[::-1]) == names


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nothing"):
        TrainingGraph.open(tmp_path / "nothing.tflite")


def test_importing_the_module_loads_no_runtime() -> None:
    code = "import edge_client.litert.training, sys; print([m for m in sys.modules if 'ai_edge' in m])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
