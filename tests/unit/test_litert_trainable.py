"""Which weights are trained, under which loss, and what is refused with which way out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from edge_client.commands.trainable import trainable
from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.head import NewHead
from edge_client.litert.ir import Activation, DType, ModelError, Options, Signature, Tensor
from edge_client.litert.network import Scope
from edge_client.litert.optimizers import Optimizer
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.writer import write_model
from edge_client.litert.zoo import dense_net, small_cnn
from edge_client.protocol.manifest import Loss

MODELS = Path(__file__).resolve().parents[1] / "fixtures" / "models"
OPTIONS = TrainingOptions(batch=4)


def names(model: bytes, **change: Any) -> list[str]:
    return [t.name for t in opened(model, **change).manifest.tensors]


def opened(model: bytes, **change: Any) -> TrainingGraph:
    return TrainingGraph.open(make_trainable(model, replace(OPTIONS, **change)))


def tail(*layers: int) -> list[str]:
    return [f"dense_{i}/{part}" for i in layers for part in ("kernel", "bias")]


def file_of(b: GraphBuilder, output: Value) -> bytes:
    return write_model([Signature(b.build((output,)), ("x",), ("y",))])


def weight(b: GraphBuilder, name: str, *shape: int) -> Value:
    values = np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32)
    return b.tensor(Tensor(name, shape, data=values.tobytes()))


# --- scope -------------------------------------------------------------------------------------------


def test_all_weights_by_default() -> None:
    assert names(dense_net((6, 5, 4, 3), 1)) == tail(1, 2, 3)


@pytest.mark.parametrize(("last", "expected"), [(1, tail(3)), (2, tail(2, 3)), (3, tail(1, 2, 3))])
def test_the_last_layers_only(last: int, expected: Sequence[str]) -> None:
    assert names(dense_net((6, 5, 4, 3), 1), scope=Scope(layers=last)) == expected


def test_only_what_comes_behind_a_tensor() -> None:
    model = dense_net((6, 5, 4, 3), 1)
    assert names(model, scope=Scope(tensor="main/fully_connected0")) == tail(2, 3)
    with pytest.raises(ModelError, match="no tensor 'nothing'"):
        make_trainable(model, replace(OPTIONS, scope=Scope(tensor="nothing")))


def test_frozen_weights_do_not_move() -> None:
    model = dense_net((6, 5, 3), 1)
    graph, whole = opened(model, scope=Scope(layers=1)), opened(model)
    x, y = np.ones((4, 6), np.float32), np.array([0, 1, 2, 0], np.int32)
    for _ in range(5):
        graph.train_step(x, y, np.ones(4, np.float32), 0.5)
    first = whole.get_weights()
    whole.set_weights([*first[:2], *graph.get_weights()])
    np.testing.assert_allclose(whole.infer(x), graph.infer(x), rtol=1e-6)


def test_a_new_head_learns_other_classes() -> None:
    graph = opened(dense_net((6, 5, 3), 1), new_head=NewHead(7), scope=Scope(layers=1))
    assert [t.dims for t in graph.manifest.tensors] == [(7, 5), (7,)]
    assert graph.manifest.outputs == 7
    assert graph.infer(np.zeros((4, 6), np.float32)).shape == (4, 7)


def test_a_new_head_on_an_image_tensor_takes_all_its_values() -> None:
    head = NewHead(2, tensor="main/max_pool_2d1")
    graph = opened(small_cnn(1), new_head=head, scope=Scope(layers=1))
    assert graph.manifest.tensors[0].dims == (2, 14 * 14 * 8)


def test_a_bias_that_a_converter_shares_is_untied() -> None:
    b = GraphBuilder("main")
    zero = weight(b, "zero", 3)
    value = ops.fully_connected(b, b.input("x", (1, 3)), weight(b, "a", 3, 3), zero, Activation.RELU)
    graph = opened(file_of(b, ops.fully_connected(b, value, weight(b, "b", 3, 3), zero)))
    assert [t.name.split("#")[0] for t in graph.manifest.tensors] == ["a", "zero", "b", "zero"]
    assert len({t.name for t in graph.manifest.tensors}) == 4


def test_a_kernel_used_twice_stays_one_and_gets_both_gradients() -> None:
    b = GraphBuilder("main")
    kernel = weight(b, "k", 3, 3)
    value = ops.fully_connected(b, b.input("x", (1, 3)), kernel)
    graph = opened(file_of(b, ops.fully_connected(b, value, kernel)), loss=Loss.MSE)
    x, y = np.eye(4, 3, dtype=np.float32), np.zeros((4, 3), np.float32)
    w = graph.get_weights()[0].astype(np.float64)
    graph.train_step(x, y, np.ones(4, np.float32), 1.0)
    hidden = x @ w.T
    d = 2 * (hidden @ w.T) / 3 / 4
    expected = w - (d.T @ hidden + (d @ w).T @ x)
    np.testing.assert_allclose(graph.get_weights()[0], expected, rtol=1e-5, atol=1e-6)


# --- losses and optimisers ---------------------------------------------------------------------------


def loss_and_slope(loss: Loss, z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per-sample loss and its gradient by the logits, by definition."""
    k = z.shape[1]
    if loss == Loss.SOFTMAX_CROSS_ENTROPY:
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        hot = np.eye(k)[y]
        return -(hot * np.log(p)).sum(axis=1), p - hot
    if loss == Loss.SIGMOID_CROSS_ENTROPY:
        p = 1 / (1 + np.exp(-z))
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(axis=1), (p - y) / k
    e = z - y
    if loss == Loss.MSE:
        return (e**2).mean(axis=1), 2 * e / k
    inside = np.abs(e) <= 1
    return np.where(inside, e**2 / 2, np.abs(e) - 0.5).mean(axis=1), np.clip(e, -1, 1) / k


@pytest.mark.parametrize("loss", Loss)
def test_losses_weigh_samples_and_have_the_right_gradient(loss: Loss) -> None:
    b = GraphBuilder("main")
    graph = opened(file_of(b, ops.fully_connected(b, b.input("x", (1, 2)), weight(b, "w", 3, 2))), loss=loss)
    random = np.random.default_rng(1)
    x, sample_weight = random.normal(0, 2, (4, 2)).astype(np.float32), np.array([1, 0.5, 0, 2], np.float32)
    y = random.integers(0, 2, (4, 3)).astype(np.float32)
    y = np.array([0, 2, 1, 1], np.int32) if loss == Loss.SOFTMAX_CROSS_ENTROPY else y
    w = graph.get_weights()[0].astype(np.float64)
    losses, slope = loss_and_slope(loss, x @ w.T, y)
    share = sample_weight / sample_weight.sum()
    sums = graph.evaluate(x, y, sample_weight)
    assert sums[0] == pytest.approx(losses @ sample_weight, rel=1e-5)
    assert sums[2] == 3.5
    np.testing.assert_allclose(graph.train_step(x, y, sample_weight, 0.3), losses @ share, rtol=1e-5)
    expected = w - 0.3 * (slope * share[:, None]).T @ x
    np.testing.assert_allclose(graph.get_weights()[0], expected, rtol=1e-5, atol=1e-6)


def test_a_batch_of_no_weight_changes_nothing() -> None:
    graph = opened(dense_net((3, 2), 1))
    before = graph.get_weights()
    loss = graph.train_step(np.ones((4, 3), np.float32), np.zeros(4, np.int32), np.zeros(4, np.float32), 1.0)
    assert loss == 0.0
    for now, then in zip(graph.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("optimizer", Optimizer)
def test_optimisers_follow_their_definition(optimizer: Optimizer) -> None:
    b = GraphBuilder("main")
    model = file_of(b, ops.fully_connected(b, b.input("x", (1, 2)), weight(b, "w", 1, 2)))
    graph = opened(model, loss=Loss.MSE, optimizer=optimizer)
    w = graph.get_weights()[0].astype(np.float64)
    m, v = np.zeros_like(w), np.zeros_like(w)
    random = np.random.default_rng(2)
    for step in range(1, 21):
        x, y = random.normal(0, 1, (4, 2)).astype(np.float32), random.normal(0, 1, (4, 1)).astype(np.float32)
        gradient = (2 * (x @ w.T - y) / 4).T @ x
        graph.train_step(x, y, np.ones(4, np.float32), 0.05)
        if optimizer == Optimizer.SGD:
            w = w - 0.05 * gradient
        elif optimizer == Optimizer.MOMENTUM:
            m = 0.9 * m + 0.05 * gradient
            w = w - m
        else:
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            w = w - 0.05 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        np.testing.assert_allclose(graph.get_weights()[0], w, rtol=2e-4, atol=1e-6)


# --- refusals ----------------------------------------------------------------------------------------


def test_an_op_without_gradient_names_itself_its_tensor_and_the_way_out() -> None:
    b = GraphBuilder("main")
    hidden = ops.fully_connected(b, b.input("x", (1, 4)), weight(b, "w", 4, 4))
    odd = b.tensor(Tensor("odd", (1, 4)))
    b.append(replace(model_op("FLOOR"), inputs=(hidden.index,), outputs=(odd.index,)))
    model = file_of(b, ops.fully_connected(b, odd, weight(b, "v", 2, 4)))
    with pytest.raises(ModelError, match=r"FLOOR computing 'odd'.*--train-last"):
        make_trainable(model, OPTIONS)
    assert names(model, scope=Scope(layers=1)) == ["v"]


def model_op(kind: str):
    from edge_client.litert.ir import Op

    return Op(kind, (), ())


def test_a_model_without_float_weights_is_told_to_get_a_head() -> None:
    with pytest.raises(ModelError, match="--new-head"):
        make_trainable((MODELS / "int8_backbone.tflite").read_bytes(), OPTIONS)


def test_an_integer_input_is_refused() -> None:
    b = GraphBuilder("main")
    ids = b.input("ids", (1, 4), DType.INT32)
    model = file_of(b, ops.fully_connected(b, ops.cast(b, ids, DType.FLOAT32), weight(b, "w", 2, 4)))
    with pytest.raises(ModelError, match="'ids' is INT32"):
        make_trainable(model, OPTIONS)


def test_a_sum_over_the_batch_asks_for_a_model_of_that_batch() -> None:
    b = GraphBuilder("main")
    hidden = ops.fully_connected(b, b.input("x", (1, 4)), weight(b, "w", 4, 4))
    summed = b.op("SUM", (hidden, b.ints((0,))), (4,), Options("ReducerOptions"))
    model = file_of(b, ops.reshape(b, summed, (1, 4)))
    with pytest.raises(ModelError, match="convert the model with a batch of 4"):
        make_trainable(model, OPTIONS)


def test_an_op_that_lacks_inputs_is_refused() -> None:
    b = GraphBuilder("main")
    hidden = ops.fully_connected(b, b.input("x", (1, 4)), weight(b, "w", 4, 4))
    with pytest.raises(ModelError, match=r"ADD computing .* lacks inputs"):
        make_trainable(file_of(b, b.op("ADD", (hidden,), (1, 4), Options("AddOptions"))), OPTIONS)


@pytest.mark.parametrize(("begin", "end", "stride"), [(0, 1, -1), (1, 2, 1)])
def test_a_slice_of_the_batch_is_refused(begin: int, end: int, stride: int) -> None:
    b = GraphBuilder("main")
    hidden = ops.fully_connected(b, b.input("x", (2, 4)), weight(b, "w", 4, 4))
    bounds = [b.ints((number, 0)) for number in (begin, end)]
    inputs = (hidden, *bounds, b.ints((stride, 1)))
    cut = b.op("STRIDED_SLICE", inputs, (1, 4), Options("StridedSliceOptions", {"endMask": 2}))
    with pytest.raises(ModelError, match="whole batch"):
        make_trainable(file_of(b, cut), OPTIONS)


# --- the command -------------------------------------------------------------------------------------


def run(*arguments: object):
    return CliRunner().invoke(trainable, [str(argument) for argument in arguments])


def test_the_command_writes_a_file_that_trains(tmp_path: Path) -> None:
    target = tmp_path / "out.tflite"
    shown = run(MODELS / "keras_lenet.tflite", "-o", target, "--batch", 3, "--optimizer", "adam")
    assert shown.exit_code == 0, shown.output
    graph = TrainingGraph.open(target)
    assert graph.manifest.batch == 3
    assert graph.get_state()
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("given", "scale"), [("1/255", (1, 255)), ("3", (3, 1)), ("0", None), ("1/0", None), ("1/", (1, 1)),
                         ("0.5", None), ("-1/2", None), ("1/4294967296", None)]
)  # fmt: skip
def test_raw_samples_are_scaled_by_devices(tmp_path: Path, given: str, scale: tuple[int, int] | None) -> None:
    target = tmp_path / "out.tflite"
    shown = run(MODELS / "keras_mlp.tflite", "-o", target, f"--input-scale={given}")
    assert shown.exit_code == (2 if scale is None else 0), shown.output
    if scale is not None:
        manifest = TrainingGraph.open(target).manifest
        assert (manifest.input_scale_num, manifest.input_scale_den) == scale


def test_describe_shows_layers_parameters_update_memory_and_time() -> None:
    shown = run(MODELS / "keras_mlp.tflite", "--describe", "--train-last", 1)
    assert shown.exit_code == 0, shown.output
    assert "65 parameters; an update is about 67 bytes" in shown.output
    assert "MB for tensors" in shown.output
    assert "ms a step of 10 samples" in shown.output


@pytest.mark.parametrize(
    ("sentence", "arguments"),
    [
        ("-o FILE", ("keras_mlp.tflite",)),
        ("choose one of", ("keras_mlp.tflite", "--describe", "--train-last", "1", "--train", "all")),
        ("has 3 layers", ("keras_mlp.tflite", "--describe", "--train-last", "4")),
        ("not a .tflite file", ("keras_mlp.json", "--describe")),
        ("No such file", ("missing.tflite", "--describe")),
        ("batch of 16", ("torch_mlp.tflite", "--describe", "--batch", "16")),
    ],
)
def test_mistakes_end_in_one_sentence_and_code_2(
    tmp_path: Path, sentence: str, arguments: tuple[str, ...]
) -> None:
    target = tmp_path / "out.tflite"
    output = () if sentence == "-o FILE" else ("-o", target)
    shown = run(MODELS / arguments[0], *arguments[1:], *output)
    assert shown.exit_code == 2
    assert sentence in shown.output
    assert len(shown.output.strip().splitlines()) == 1
    assert not target.exists()


def test_fixtures_say_how_they_were_made() -> None:
    for path in MODELS.glob("*.json"):
        assert json.loads(path.read_text())["made_by"]
