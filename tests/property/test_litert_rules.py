"""Rules of products, element-wise and layout ops against float64 central differences of NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_client.litert.ir import Activation, Options
from tests.litert_rule_case import Case, Forward, activate, activations, clamps, few, ints, normal, seeds

# --- products -------------------------------------------------------------------------------------


@few
@given(st.tuples(*[st.integers(1, 6)] * 3), activations, st.booleans(), seeds)
def test_fully_connected(sizes, activation, with_bias, seed) -> None:
    n, inputs, outputs = sizes
    arrays = [normal(seed, n, inputs), normal(seed + 1, outputs, inputs)]
    arrays += [normal(seed + 2, outputs)] if with_bias else []

    def forward(x: np.ndarray, w: np.ndarray, bias: float | np.ndarray = 0.0) -> np.ndarray:
        return activate(activation, x @ w.T + bias)

    options = Options("FullyConnectedOptions", {"fusedActivationFunction": int(activation)})
    Case("FULLY_CONNECTED", options, forward, *arrays).check(seed)


@few
@given(
    st.tuples(*[st.integers(1, 4)] * 3),
    st.sampled_from([((), ()), ((2,), (2,)), ((2,), (1,)), ((2, 3), (2, 3)), ((3,), ()), ((2, 2), (2,))]),
    st.booleans(),
    st.booleans(),
    seeds,
)
def test_batch_matmul(sizes, lead, adj_x, adj_y, seed) -> None:
    m, k, n = sizes
    x = normal(seed, *lead[0], *((k, m) if adj_x else (m, k)))
    y = normal(seed + 1, *lead[1], *((n, k) if adj_y else (k, n)))

    def forward(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x.swapaxes(-1, -2) if adj_x else x) @ (y.swapaxes(-1, -2) if adj_y else y)

    Case("BATCH_MATMUL", Options("BatchMatMulOptions", {"adjX": adj_x, "adjY": adj_y}), forward, x, y).check(
        seed
    )


# --- element-wise ------------------------------------------------------------------------------------


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf)(x)


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


UNARY: dict[str, tuple[str, Options, Forward]] = {
    "relu": ("RELU", Options("NONE"), lambda x: np.maximum(x, 0)),
    "relu6": ("RELU6", Options("NONE"), lambda x: np.clip(x, 0, 6)),
    "leaky_relu": (
        "LEAKY_RELU",
        Options("LeakyReluOptions", {"alpha": 0.3}),
        lambda x: np.where(x > 0, x, 0.3 * x),
    ),
    "hard_swish": ("HARD_SWISH", Options("HardSwishOptions"), lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "logistic": ("LOGISTIC", Options("NONE"), sigmoid),
    "tanh": ("TANH", Options("NONE"), np.tanh),
    "softmax": ("SOFTMAX", Options("SoftmaxOptions", {"beta": 1.0}), softmax),
    "softmax_sharp": ("SOFTMAX", Options("SoftmaxOptions", {"beta": 2.5}), lambda x: softmax(2.5 * x)),
    "log_softmax": ("LOG_SOFTMAX", Options("LogSoftmaxOptions"), lambda x: np.log(softmax(x))),
    "gelu": ("GELU", Options("GeluOptions"), lambda x: x / 2 * (1 + erf(x / 2**0.5))),
    "gelu_tanh": ("GELU", Options("GeluOptions", {"approximate": True}), gelu_tanh),
    "square": ("SQUARE", Options("SquareOptions"), np.square),
    "neg": ("NEG", Options("NegOptions"), np.negative),
}


@pytest.mark.parametrize("name", UNARY)
@few
@given(st.integers(1, 4), st.integers(1, 6), st.sampled_from([0.1, 1.0, 4.0]), seeds)
def test_unary(name: str, n: int, width: int, spread: float, seed: int) -> None:
    kind, options, forward = UNARY[name]
    Case(kind, options, forward, normal(seed, n, width) * np.float32(spread)).check(seed)


@pytest.mark.parametrize(("kind", "forward"), [("SQRT", np.sqrt), ("RSQRT", lambda x: 1 / np.sqrt(x))])
@few
@given(st.integers(1, 4), st.integers(1, 6), seeds)
def test_roots(kind: str, forward: Forward, n: int, width: int, seed: int) -> None:
    Case(kind, Options("NONE"), forward, np.abs(normal(seed, n, width)) + 0.5).check(seed)


BINARY: dict[str, tuple[str, Forward]] = {
    "ADD": ("AddOptions", np.add),
    "SUB": ("SubOptions", np.subtract),
    "MUL": ("MulOptions", np.multiply),
    "DIV": ("DivOptions", np.divide),
    "SQUARED_DIFFERENCE": ("SquaredDifferenceOptions", lambda x, y: (x - y) ** 2),
}


@pytest.mark.parametrize("kind", BINARY)
@few
@given(
    st.sampled_from([((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 1, 3), (1, 4, 1)), ((2, 3), ())]),
    clamps,
    seeds,
)
def test_binary(kind: str, shapes, activation, seed: int) -> None:
    table, plain = BINARY[kind]
    if kind == "SQUARED_DIFFERENCE":
        activation = Activation.NONE
    x, y = normal(seed, *shapes[0]), normal(seed + 1, *shapes[1])
    if kind == "DIV":
        y = np.abs(y) + np.float32(0.5)
    options = Options(table, {"fusedActivationFunction": int(activation)} if activation else {})
    Case(kind, options, lambda x, y: activate(activation, plain(x, y)), x, y).check(seed)


# --- layout ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "forward"), [("SUM", np.sum), ("MEAN", np.mean)])
@few
@given(st.sets(st.integers(0, 2), min_size=1), st.booleans(), seeds)
def test_reductions(kind: str, forward, axes: set[int], keep: bool, seed: int) -> None:
    Case(
        kind,
        Options("ReducerOptions", {"keepDims": keep}),
        lambda x: forward(x, axis=tuple(axes), keepdims=keep),
        normal(seed, 2, 3, 4),
        fixed=[ints(*axes)],
    ).check(seed)


@few
@given(st.permutations(range(3)), seeds)
def test_transpose(order, seed: int) -> None:
    Case(
        "TRANSPOSE",
        Options("TransposeOptions"),
        lambda x: x.transpose(order),
        normal(seed, 2, 3, 4),
        fixed=[ints(*order)],
    ).check(seed)


@pytest.mark.parametrize(
    ("kind", "options", "shape", "fixed"),
    [
        ("RESHAPE", Options("ReshapeOptions"), (4, 6), [ints(4, 6)]),
        ("SQUEEZE", Options("SqueezeOptions", {"squeezeDims": [1]}), (2, 3, 4), []),
        ("EXPAND_DIMS", Options("ExpandDimsOptions"), (1, 2, 1, 3, 4), [np.array(0, np.int32)]),
    ],
)
def test_shape_changes(kind: str, options: Options, shape: tuple[int, ...], fixed: list[np.ndarray]) -> None:
    Case(kind, options, lambda x: x.reshape(shape), normal(1, 2, 1, 3, 4), fixed=fixed).check(1)


@few
@given(st.integers(0, 2), st.lists(st.integers(1, 3), min_size=1, max_size=3), seeds)
def test_concatenation(axis: int, sizes: list[int], seed: int) -> None:
    parts = [normal(seed + i, *(size if a == axis else 2 for a in range(3))) for i, size in enumerate(sizes)]
    options = Options("ConcatenationOptions", {"axis": axis})
    Case("CONCATENATION", options, lambda *p: np.concatenate(p, axis), *parts).check(seed)


spans = st.tuples(st.integers(0, 3), st.integers(1, 3))


@few
@given(spans, spans, seeds)
def test_slice_and_pad(rows: tuple[int, int], columns: tuple[int, int], seed: int) -> None:
    begin, size = (rows[0], columns[0]), (rows[1], columns[1])
    x = normal(seed, rows[0] + rows[1] + 1, columns[0] + columns[1])

    def cut(x: np.ndarray) -> np.ndarray:
        return x[begin[0] : begin[0] + size[0], begin[1] : begin[1] + size[1]]

    Case("SLICE", Options("SliceOptions"), cut, x, fixed=[ints(*begin), ints(*size)]).check(seed)
    Case(
        "PAD", Options("PadOptions"), lambda x: np.pad(x, (rows, columns)), x, fixed=[ints(rows, columns)]
    ).check(seed)


@pytest.mark.parametrize(
    ("begin", "end", "strides", "masks", "index"),
    [
        ((1, 0), (4, 5), (1, 2), {}, np.s_[1:4, 0:5:2]),
        ((0, 4), (0, 0), (1, -2), {"beginMask": 1, "endMask": 3}, np.s_[:, 4::-2]),
        ((2, 1), (3, 4), (1, 1), {"shrinkAxisMask": 1}, np.s_[2, 1:4]),
        ((-2, 1), (0, 0), (1, 1), {"endMask": 1, "shrinkAxisMask": 2}, np.s_[-2:, 1]),
    ],
)
def test_strided_slice(begin, end, strides, masks, index) -> None:
    Case(
        "STRIDED_SLICE",
        Options("StridedSliceOptions", masks),
        lambda x: x[index],
        normal(1, 4, 5),
        fixed=[ints(*begin), ints(*end), ints(*strides)],
    ).check(1)
