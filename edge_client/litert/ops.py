"""Emitters: one function per built-in op that training graphs use; each computes the shape of its output.

They also do the few simplifications that keep graphs small (a reshape to the same shape is no op).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.geometry import Window
from edge_client.litert.ir import Activation, Array, DType, ModelError, Options, Padding

DELEGATE_RANK_MAX = 6
# Below this size a copy costs less than leaving and re-entering the delegate.
RENAMED_VALUES_MIN = 1 << 15
# Activations that element-wise kernels apply; they silently skip the others.
CLAMPS = (Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1)


def broadcast(x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of an element-wise op on two shapes; raises `ModelError` when they do not match."""
    try:
        return tuple(int(dim) for dim in np.broadcast_shapes(x, y))
    except ValueError as error:
        raise ModelError(f"an operation joins shapes {x} and {y}") from error


def _binary(kind: str, table: str) -> _Binary:
    return _Binary(kind, table)


class _Binary:
    """Emitter of a broadcasting element-wise op."""

    def __init__(self, kind: str, table: str) -> None:
        self._kind = kind
        self._table = table

    def __call__(
        self, b: GraphBuilder, x: Value, y: Value, activation: Activation = Activation.NONE
    ) -> Value:
        """The op on x and y."""
        options = Options(self._table, {"fusedActivationFunction": int(activation)} if activation else {})
        return b.op(self._kind, (x, y), broadcast(x.shape, y.shape), options)


class _Unary:
    """Emitter of an element-wise op with one input."""

    def __init__(self, kind: str, table: str = "NONE") -> None:
        self._kind = kind
        self._options = Options(table)

    def __call__(self, b: GraphBuilder, x: Value) -> Value:
        """The op on x."""
        return b.op(self._kind, (x,), x.shape, self._options)


class _Comparison:
    """Emitter of a broadcasting comparison; its output is boolean."""

    def __init__(self, kind: str, table: str) -> None:
        self._kind = kind
        self._options = Options(table)

    def __call__(self, b: GraphBuilder, x: Value, y: Value) -> Value:
        """The op on x and y."""
        return b.op(self._kind, (x, y), broadcast(x.shape, y.shape), self._options, DType.BOOL)


add = _Binary("ADD", "AddOptions")
sub = _Binary("SUB", "SubOptions")
mul = _Binary("MUL", "MulOptions")
div = _Binary("DIV", "DivOptions")
minimum = _Binary("MINIMUM", "MaximumMinimumOptions")
maximum = _Binary("MAXIMUM", "MaximumMinimumOptions")
squared_difference = _Binary("SQUARED_DIFFERENCE", "SquaredDifferenceOptions")
greater = _Comparison("GREATER", "GreaterOptions")
greater_equal = _Comparison("GREATER_EQUAL", "GreaterEqualOptions")
less = _Comparison("LESS", "LessOptions")
equal = _Comparison("EQUAL", "EqualOptions")
logical_and = _Comparison("LOGICAL_AND", "LogicalAndOptions")
neg = _Unary("NEG", "NegOptions")
exp = _Unary("EXP", "ExpOptions")
log = _Unary("LOG")
sqrt = _Unary("SQRT")
rsqrt = _Unary("RSQRT")
square = _Unary("SQUARE", "SquareOptions")
absolute = _Unary("ABS", "AbsOptions")
relu = _Unary("RELU")
tanh = _Unary("TANH")
logistic = _Unary("LOGISTIC")


def softmax(b: GraphBuilder, x: Value) -> Value:
    """Softmax over the last axis."""
    return b.op("SOFTMAX", (x,), x.shape, Options("SoftmaxOptions", {"beta": 1.0}))


def log_softmax(b: GraphBuilder, x: Value) -> Value:
    """Logarithm of the softmax over the last axis."""
    return b.op("LOG_SOFTMAX", (x,), x.shape, Options("LogSoftmaxOptions"))


def cast(b: GraphBuilder, x: Value, dtype: DType) -> Value:
    """x in another element type."""
    options = Options("CastOptions", {"inDataType": int(x.dtype), "outDataType": int(dtype)})
    return b.op("CAST", (x,), x.shape, options, dtype)


def select(b: GraphBuilder, condition: Value, x: Value, y: Value) -> Value:
    """x where the condition holds, else y; all broadcast."""
    shape = broadcast(condition.shape, broadcast(x.shape, y.shape))
    return b.op("SELECT_V2", (condition, x, y), shape, Options("SelectV2Options"))


def reshape(b: GraphBuilder, x: Value, shape: tuple[int, ...]) -> Value:
    """x in another shape of the same size.

    XNNPACK copies the values; the runtime's own kernel only renames them. A detour over more dimensions than
    XNNPACK takes keeps large tensors away from it.
    """
    if x.shape == shape:
        return x
    if x.size >= RENAMED_VALUES_MIN:
        x = _reshape(b, x, (1,) * (DELEGATE_RANK_MAX + 1 - len(shape)) + shape)
    return _reshape(b, x, shape)


def _reshape(b: GraphBuilder, x: Value, shape: tuple[int, ...]) -> Value:
    return b.op("RESHAPE", (x, b.ints(shape)), shape, Options("ReshapeOptions"), x.dtype)


def transpose(b: GraphBuilder, x: Value, order: Sequence[int]) -> Value:
    """x with its axes in the given order; a reshape when no element moves."""
    shape = tuple(x.shape[axis] for axis in order)
    moved = [axis for axis in order if x.shape[axis] != 1]
    if moved == sorted(moved):
        return reshape(b, x, shape)
    return b.op("TRANSPOSE", (x, b.ints(order)), shape, Options("TransposeOptions"), x.dtype)


def _reduced(shape: tuple[int, ...], axes: Sequence[int], keep: bool) -> tuple[int, ...]:
    return tuple(1 if axis in axes else dim for axis, dim in enumerate(shape) if keep or axis not in axes)


def reduce_sum(b: GraphBuilder, x: Value, axes: Sequence[int], keep: bool = False) -> Value:
    """Sum over axes; a reshape when they all have one element."""
    shape = _reduced(x.shape, axes, keep)
    if all(x.shape[axis] == 1 for axis in axes):
        return reshape(b, x, shape)
    return b.op("SUM", (x, b.ints(axes)), shape, Options("ReducerOptions", {"keepDims": keep}))


def sum_to_shape(b: GraphBuilder, x: Value, shape: tuple[int, ...]) -> Value:
    """Undo a broadcast: sum x over the axes along which `shape` was repeated."""
    lead = x.rank - len(shape)
    axes = [axis for axis in range(x.rank) if axis < lead or (shape[axis - lead] == 1 and x.shape[axis] != 1)]
    return reshape(b, reduce_sum(b, x, axes, keep=True) if axes else x, shape)


def matmul(b: GraphBuilder, x: Value, y: Value, adj_x: bool = False, adj_y: bool = False) -> Value:
    """Matrix product over the last two axes, either side transposed; leading axes broadcast."""
    rows = x.shape[-1] if adj_x else x.shape[-2]
    columns = y.shape[-2] if adj_y else y.shape[-1]
    shape = (*broadcast(x.shape[:-2], y.shape[:-2]), rows, columns)
    return b.op("BATCH_MATMUL", (x, y), shape, Options("BatchMatMulOptions", {"adjX": adj_x, "adjY": adj_y}))


def finish(b: GraphBuilder, product: Value, bias: Value | None, activation: Activation) -> Value:
    """The bias, if any, and the activation of a layer; one op for both where the runtime's ADD can clamp."""
    clamp = activation if activation in CLAMPS else Activation.NONE
    if bias is not None or clamp:
        product = add(b, product, b.scalar(0.0) if bias is None else bias, clamp)
    return tanh(b, product) if activation == Activation.TANH else product


def one_hot(b: GraphBuilder, ids: Value, depth: int) -> Value:
    """float32 [..., depth]: 1 at the id, 0 elsewhere."""
    ends = (b.constant(np.array(depth, np.int32)), b.scalar(1.0), b.scalar(0.0))
    return b.op("ONE_HOT", (ids, *ends), (*ids.shape, depth), Options("OneHotOptions", {"axis": -1}))


def arg_max(b: GraphBuilder, x: Value) -> Value:
    """int32 index of the largest value along the last axis."""
    axis = b.constant(np.array(x.rank - 1, np.int32))
    options = Options("ArgMaxOptions", {"outputType": int(DType.INT32)})
    return b.op("ARG_MAX", (x, axis), x.shape[:-1], options, DType.INT32)


def fully_connected(
    b: GraphBuilder,
    x: Value,
    weights: Value,
    bias: Value | None = None,
    activation: Activation = Activation.NONE,
) -> Value:
    """x [n, in] times the transpose of weights [out, in], plus bias [out]."""
    options = Options("FullyConnectedOptions", {"fusedActivationFunction": int(activation)})
    return b.op("FULLY_CONNECTED", (x, weights, bias), (x.shape[0], weights.shape[0]), options)


def gather(b: GraphBuilder, x: Value, table: Array, axis: int) -> Value:
    """Rows of x along an axis, by a constant int32 table of rank 1."""
    shape = (*x.shape[:axis], len(table), *x.shape[axis + 1 :])
    options = Options("GatherOptions", {"axis": axis, "batchDims": 0})
    return b.op("GATHER", (x, b.constant(np.asarray(table, np.int32))), shape, options)


def pad(b: GraphBuilder, x: Value, widths: Sequence[tuple[int, int]], fill: float = 0.0) -> Value:
    """x with constants before and after along each axis; nothing when all widths are zero."""
    if not any(map(any, widths)):
        return x
    shape = tuple(before + dim + after for dim, (before, after) in zip(x.shape, widths, strict=True))
    table = b.constant(np.array(widths, np.int32))
    if fill:
        return b.op("PADV2", (x, table, b.scalar(fill)), shape, Options("PadV2Options"))
    return b.op("PAD", (x, table), shape, Options("PadOptions"))


def slice_of(b: GraphBuilder, x: Value, begin: Sequence[int], size: tuple[int, ...]) -> Value:
    """The block of x of this size at `begin`."""
    if x.shape == size:
        return x
    return b.op("SLICE", (x, b.ints(begin), b.ints(size)), size, Options("SliceOptions"))


def concatenate(b: GraphBuilder, parts: Sequence[Value], axis: int) -> Value:
    """The parts behind each other along an axis."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0].shape
    shape = (*first[:axis], sum(part.shape[axis] for part in parts), *first[axis + 1 :])
    return b.op("CONCATENATION", parts, shape, Options("ConcatenationOptions", {"axis": axis}))


def pad_image(b: GraphBuilder, x: Value, window: Window, fill: float = 0.0) -> Value:
    """x [n, h, w, c] with the window's padding."""
    rows, columns = window.rows, window.columns
    widths = ((0, 0), (rows.before, rows.after), (columns.before, columns.after), (0, 0))
    return pad(b, x, widths, fill)


def _read(b: GraphBuilder, x: Value, window: Window) -> tuple[Value, dict[str, int]]:
    """The image and the options with which a convolution reads it; pads it unless the runtime's SAME does."""
    padding = Padding.SAME if window.is_same else Padding.VALID
    options = {
        "padding": int(padding),
        "strideH": window.rows.stride,
        "strideW": window.columns.stride,
        "dilationHFactor": window.rows.dilation,
        "dilationWFactor": window.columns.dilation,
    }
    return (x if window.is_same else pad_image(b, x, window)), options


def convolve(b: GraphBuilder, x: Value, kernel: Value, window: Window) -> Value:
    """CONV_2D with kernel [out, kh, kw, in] and no bias. Fast only for a constant kernel."""
    shape = (x.shape[0], window.rows.outputs, window.columns.outputs, kernel.shape[0])
    bias = b.constant(np.zeros(kernel.shape[0], np.float32))
    image, options = _read(b, x, window)
    return b.op("CONV_2D", (image, kernel, bias), shape, Options("Conv2DOptions", options))


def convolve_depthwise(b: GraphBuilder, x: Value, kernel: Value, window: Window) -> Value:
    """DEPTHWISE_CONV_2D with kernel [1, kh, kw, c], one filter per channel, and no bias."""
    shape = (x.shape[0], window.rows.outputs, window.columns.outputs, x.shape[3])
    bias = b.constant(np.zeros(x.shape[3], np.float32))
    image, options = _read(b, x, window)
    table = Options("DepthwiseConv2DOptions", {**options, "depthMultiplier": 1})
    return b.op("DEPTHWISE_CONV_2D", (image, kernel, bias), shape, table)
