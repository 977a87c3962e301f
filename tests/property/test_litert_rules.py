"""Every differentiation rule against float64 central differences of an independent NumPy forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.differentiate import backward
from edge_client.litert.ir import Activation, Op, Options, Padding, Signature
from edge_client.litert.rules import LOWERINGS
from edge_client.litert.rules.step import Step
from edge_client.litert.writer import write_model

TOLERANCE = 1e-4
Forward = Callable[..., np.ndarray]
Arrays = Sequence[np.ndarray]

few = settings(max_examples=15, deadline=None)
upto3 = st.integers(1, 3)
seeds = st.integers(0, 2**32 - 1)


class Case:
    """One op under test: its inputs (trained ones first), fixed inputs, options, and its meaning in NumPy."""

    def __init__(
        self,
        kind: str,
        options: Options,
        forward: Forward,
        *trained: np.ndarray,
        fixed: Sequence[np.ndarray] = (),
    ) -> None:
        self.kind, self.options, self.forward = kind, options, forward
        self.trained, self.fixed = trained, fixed
        self.fixed_first = kind == "TRANSPOSE_CONV"

    def check(self, seed: int) -> None:
        exact = [np.array(array, np.float64) for array in self.trained]
        expected = self.forward(*exact)
        weight = np.random.default_rng(seed).standard_normal(expected.shape)
        outputs = self.run(expected.shape, weight.astype(np.float32))
        close(outputs[0], expected)
        for index, gradient in enumerate(outputs[1:]):
            close(gradient, central_difference(self.forward, exact, index, weight))

    def run(self, shape: tuple[int, ...], weight: np.ndarray) -> list[np.ndarray]:
        """Output and gradients of the trained inputs, computed by the runtime."""
        b = GraphBuilder("test")
        given_ = [b.input(f"i{i}", array.shape) for i, array in enumerate(self.trained)]
        seed = b.input("seed", shape)
        fixed = [b.constant(array) for array in self.fixed]
        inputs: tuple[Value | None, ...] = (*fixed, *given_) if self.fixed_first else (*given_, *fixed)
        op = Op(self.kind, (), (), self.options)
        lowering = LOWERINGS.get(self.kind)
        if lowering is None:
            output, saved = b.op(self.kind, inputs, shape, self.options), ()
        else:
            made = lowering(b, op, inputs)
            output, saved = made.output, made.saved
        needed = tuple(value in given_ for value in inputs)
        constants = (*(None for _ in given_), *self.fixed)
        step = Step(b, op, inputs, output, needed, constants, saved)
        by_index = backward(b, [step], output, seed)
        results = [output, *(by_index[value.index] for value in given_)]
        return run_graph(b, results, [*self.trained, weight])


def run_graph(b: GraphBuilder, results: Sequence[Value], arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    # A pass through ADD: an output may otherwise be an input, or be asked for twice.
    outputs = [b.op("ADD", (value, b.scalar(0.0)), value.shape, Options("AddOptions")) for value in results]
    names = tuple(f"o{i}" for i in range(len(outputs)))
    graph = b.build(outputs)
    data = write_model([Signature(graph, tuple(f"i{i}" for i in range(len(graph.inputs))), names)])
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    for index, array in zip(graph.inputs, arrays, strict=True):
        interpreter.set_tensor(index, np.asarray(array, np.float32))
    interpreter.invoke()
    return [interpreter.get_tensor(index) for index in graph.outputs]


def central_difference(
    forward: Forward, inputs: list[np.ndarray], which: int, weight: np.ndarray
) -> np.ndarray:
    gradient = np.zeros_like(inputs[which])
    flat, slot = inputs[which].reshape(-1), gradient.reshape(-1)
    for i, value in enumerate(flat.copy()):
        step = 1e-6 * max(1.0, abs(value))
        flat[i] = value + step
        above = (forward(*inputs) * weight).sum()
        flat[i] = value - step
        below = (forward(*inputs) * weight).sum()
        flat[i] = value
        slot[i] = (above - below) / (2 * step)
    return gradient


def close(got: np.ndarray, expected: np.ndarray) -> None:
    assert got.shape == expected.shape
    # Sums that cancel are as exact as their terms, which are about 1 here.
    scale = max(np.abs(expected).max(initial=0.0), 0.1)
    assert np.abs(got - expected).max(initial=0.0) <= TOLERANCE * scale


def normal(seed: int, *shape: int) -> np.ndarray:
    """Values with at least 1e-3 between them and zero, so that no kink lies within a difference."""
    size = math.prod(shape)
    random = np.random.default_rng(seed)
    ladder = (np.arange(size) - size // 2) * 2e-3 + 1e-3 + random.random(size) * 5e-4
    values = ladder + np.sign(ladder) * random.random() * 2
    return random.permutation(values).reshape(shape).astype(np.float32)


def activate(activation: Activation, x: np.ndarray) -> np.ndarray:
    return {
        Activation.NONE: lambda: x,
        Activation.RELU: lambda: np.maximum(x, 0),
        Activation.RELU6: lambda: np.clip(x, 0, 6),
        Activation.RELU_N1_TO_1: lambda: np.clip(x, -1, 1),
        Activation.TANH: lambda: np.tanh(x),
    }[activation]()


# --- windows in NumPy -----------------------------------------------------------------------------


def padded(x: np.ndarray, kernel, stride, dilation, padding: Padding, fill: float) -> np.ndarray:
    widths = [(0, 0)]
    for axis in (0, 1):
        size, reach = x.shape[1 + axis], (kernel[axis] - 1) * dilation[axis] + 1
        outputs = -(-size // stride[axis])
        missing = max((outputs - 1) * stride[axis] + reach - size, 0) if padding == Padding.SAME else 0
        widths.append((missing // 2, missing - missing // 2))
    return np.pad(x, [*widths, (0, 0)], constant_values=fill)


def windows(x: np.ndarray, kernel, stride, dilation, padding: Padding, fill: float = 0.0) -> np.ndarray:
    """[n, oh, ow, kh, kw, c]."""
    x = padded(x, kernel, stride, dilation, padding, fill)
    reach = [(kernel[i] - 1) * dilation[i] + 1 for i in (0, 1)]
    view = np.lib.stride_tricks.sliding_window_view(x, reach, (1, 2))
    view = view[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return view.transpose(0, 1, 2, 4, 5, 3)


@st.composite
def window_cases(draw, *, dilated: bool = True):
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    plain = stride == (1, 1) and dilated
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2))) if plain else (1, 1)
    padding = draw(st.sampled_from(Padding))
    reach = [(kernel[i] - 1) * dilation[i] + 1 for i in (0, 1)]
    size = tuple(draw(st.integers(r, r + 4)) for r in reach)
    return kernel, stride, dilation, padding, size


def window_options(table: str, case, activation: Activation, **extra: int) -> Options:
    kernel, stride, dilation, padding, _ = case
    values = {"padding": int(padding), "strideH": stride[0], "strideW": stride[1], **extra}
    if table == "Pool2DOptions":
        values |= {"filterHeight": kernel[0], "filterWidth": kernel[1]}
    else:
        values |= {"dilationHFactor": dilation[0], "dilationWFactor": dilation[1]}
    return Options(table, {**values, "fusedActivationFunction": int(activation)})


activations = st.sampled_from([a for a in Activation if a != Activation.SIGN_BIT])
clamps = st.sampled_from([Activation.NONE, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1])


@few
@given(
    window_cases(), st.integers(1, 3), st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), clamps, seeds
)
def test_conv_2d(case, n, groups, channels, outputs, activation, seed) -> None:
    kernel, stride, dilation, padding, size = case
    x = normal(seed, n, *size, channels * groups)
    k = normal(seed + 1, outputs * groups, *kernel, channels)
    bias = normal(seed + 2, outputs * groups)

    def forward(x: np.ndarray, k: np.ndarray, bias: np.ndarray) -> np.ndarray:
        w = windows(x, kernel, stride, dilation, padding)
        parts = [
            np.einsum("nyxijc,oijc->nyxo", w[..., g * channels : (g + 1) * channels], part)
            for g, part in enumerate(np.split(k, groups))
        ]
        return activate(activation, np.concatenate(parts, -1) + bias)

    Case("CONV_2D", window_options("Conv2DOptions", case, activation), forward, x, k, bias).check(seed)


@few
@given(window_cases(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), clamps, seeds)
def test_depthwise_conv_2d(case, n, channels, multiplier, activation, seed) -> None:
    kernel, stride, dilation, padding, size = case
    x = normal(seed, n, *size, channels)
    k = normal(seed + 1, 1, *kernel, channels * multiplier)
    bias = normal(seed + 2, channels * multiplier)

    def forward(x: np.ndarray, k: np.ndarray, bias: np.ndarray) -> np.ndarray:
        w = windows(np.repeat(x, multiplier, axis=3), kernel, stride, dilation, padding)
        return activate(activation, np.einsum("nyxijc,ijc->nyxc", w, k[0]) + bias)

    options = window_options("DepthwiseConv2DOptions", case, activation, depthMultiplier=multiplier)
    Case("DEPTHWISE_CONV_2D", options, forward, x, k, bias).check(seed)


@few
@given(window_cases(dilated=False), upto3, upto3, upto3, st.booleans(), seeds)
def test_transpose_conv(case, n, channels, outputs, with_bias, seed) -> None:
    kernel, stride, _, padding, size = case
    small = windows(np.zeros((n, *size, 1)), kernel, stride, (1, 1), padding).shape[1:3]
    arrays = [normal(seed, outputs, *kernel, channels), normal(seed + 1, n, *small, channels)]
    arrays += [normal(seed + 2, outputs)] if with_bias else []

    def forward(k: np.ndarray, x: np.ndarray, bias: float | np.ndarray = 0.0) -> np.ndarray:
        # By definition: the transpose of the linear map that reads and weighs the windows of an image.
        basis = np.eye(math.prod(size)).reshape(-1, *size, 1)
        read = windows(basis, kernel, stride, (1, 1), padding)[..., 0]
        image = np.einsum("pyxij,oijc,nyxc->npo", read, k, x)
        return image.reshape(n, *size, outputs) + bias

    options = {"padding": int(padding), "strideH": stride[0], "strideW": stride[1]}
    sizes = ints(n, *size, outputs)
    Case("TRANSPOSE_CONV", Options("TransposeConvOptions", options), forward, *arrays, fixed=[sizes]).check(
        seed
    )


@few
@given(window_cases(dilated=False), st.integers(1, 3), st.integers(1, 3), clamps, seeds)
def test_max_pool_2d(case, n, channels, activation, seed) -> None:
    kernel, stride, _, padding, size = case

    def forward(x: np.ndarray) -> np.ndarray:
        return activate(activation, windows(x, kernel, stride, (1, 1), padding, -np.inf).max(axis=(3, 4)))

    options = window_options("Pool2DOptions", case, activation)
    Case("MAX_POOL_2D", options, forward, normal(seed, n, *size, channels)).check(seed)


@few
@given(window_cases(dilated=False), st.integers(1, 3), st.integers(1, 3), clamps, seeds)
def test_average_pool_2d(case, n, channels, activation, seed) -> None:
    kernel, stride, _, padding, size = case

    def forward(x: np.ndarray) -> np.ndarray:
        total = windows(x, kernel, stride, (1, 1), padding).sum(axis=(3, 4))
        counts = windows(np.ones_like(x), kernel, stride, (1, 1), padding).sum(axis=(3, 4))
        return activate(activation, total / counts)

    options = window_options("Pool2DOptions", case, activation)
    Case("AVERAGE_POOL_2D", options, forward, normal(seed, n, *size, channels)).check(seed)


def test_equal_maxima_share_nothing_the_first_takes_all() -> None:
    x = np.zeros((1, 2, 4, 1), np.float32)
    x[0, 1, 2, 0] = x[0, 1, 3, 0] = 5.0
    options = window_options(
        "Pool2DOptions", ((2, 2), (2, 2), (1, 1), Padding.VALID, (2, 4)), Activation.NONE
    )
    case = Case("MAX_POOL_2D", options, lambda x: x, x)
    _, gradient = case.run((1, 1, 2, 1), np.array([3.0, 7.0], np.float32).reshape(1, 1, 2, 1))
    assert gradient.reshape(2, 4).tolist() == [[3, 0, 0, 0], [0, 0, 7, 0]]


# --- products -------------------------------------------------------------------------------------


@few
@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), activations, st.booleans(), seeds)
def test_fully_connected(n, inputs, outputs, activation, with_bias, seed) -> None:
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


# --- element-wise ------------------------------------------------------------------------------------------------


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


def ints(*numbers: object) -> np.ndarray:
    return np.array(numbers, np.int32)


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
