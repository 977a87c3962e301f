"""Output shapes, computed anew: for a dynamic batch, converters write whatever they like.

Each rule gets the op, the true shapes of its inputs and the contents of those that are constants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from edge_client.litert.fold import slice_index
from edge_client.litert.geometry import Window
from edge_client.litert.ir import Array, ModelError, Op

Shape: TypeAlias = tuple[int, ...]
Constants: TypeAlias = Sequence[Array | None]
_ShapeRule: TypeAlias = Callable[[Op, Sequence[Shape], Constants], Shape]


def output_shape(op: Op, shapes: Sequence[Shape], constants: Constants) -> Shape | None:
    """The shape of the op's output, None without a rule; raises `ModelError` when inputs do not fit."""
    rule = _RULES.get(op.kind)
    if rule is None:
        return None
    try:
        return rule(op, shapes, constants)
    except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
        raise ModelError(f"{op.kind} does not fit its inputs of shapes {list(shapes)}: {error}") from error


def _known(constants: Constants, index: int) -> Array:
    array = constants[index]
    if array is None:
        raise ValueError(f"input {index} is computed, not constant")
    return array


def _same(_op: Op, shapes: Sequence[Shape], _constants: Constants) -> Shape:
    return shapes[0]


def _broadcast(_op: Op, shapes: Sequence[Shape], _constants: Constants) -> Shape:
    return tuple(int(dim) for dim in np.broadcast_shapes(*shapes))


def _fully_connected(op: Op, shapes: Sequence[Shape], _constants: Constants) -> Shape:
    x, weights = shapes[0], shapes[1]
    if op.option("keepNumDims"):
        return (*x[:-1], weights[0])
    return (prod(x) // weights[1], weights[0])


def _batch_matmul(op: Op, shapes: Sequence[Shape], _constants: Constants) -> Shape:
    x, y = shapes[0], shapes[1]
    rows = x[-1] if op.option("adjX") else x[-2]
    columns = y[-2] if op.option("adjY") else y[-1]
    return (*_broadcast(op, (x[:-2], y[:-2]), ()), rows, columns)


def _conv(op: Op, shapes: Sequence[Shape], _constants: Constants) -> Shape:
    n, height, width, _ = shapes[0]
    outputs, *kernel, _ = shapes[1]
    window = Window.of(op, height, width, (kernel[0], kernel[1]))
    return (n, window.rows.outputs, window.columns.outputs, outputs)


def _depthwise(op: Op, shapes: Sequence[Shape], constants: Constants) -> Shape:
    return (*_conv(op, shapes, constants)[:3], shapes[1][3])


def _pool(op: Op, shapes: Sequence[Shape], _constants: Constants) -> Shape:
    n, height, width, channels = shapes[0]
    window = Window.of(op, height, width, (op.option("filterHeight"), op.option("filterWidth")))
    return (n, window.rows.outputs, window.columns.outputs, channels)


def _reduce(op: Op, shapes: Sequence[Shape], constants: Constants) -> Shape:
    x = shapes[0]
    axes = {int(axis) % len(x) for axis in np.atleast_1d(_known(constants, 1))}
    if op.option("keepDims"):
        return tuple(1 if axis in axes else dim for axis, dim in enumerate(x))
    return tuple(dim for axis, dim in enumerate(x) if axis not in axes)


def _transpose(_op: Op, shapes: Sequence[Shape], constants: Constants) -> Shape:
    return tuple(shapes[0][axis] for axis in _known(constants, 1).tolist())


def _expand(_op: Op, shapes: Sequence[Shape], constants: Constants) -> Shape:
    x = shapes[0]
    at = int(_known(constants, 1).ravel()[0]) % (len(x) + 1)
    return (*x[:at], 1, *x[at:])


def _squeeze(op: Op, shapes: Sequence[Shape], _constants: Constants) -> Shape:
    x = shapes[0]
    listed = op.options.values.get("squeezeDims")
    axes = {axis % len(x) for axis in listed} if listed is not None and len(listed) else None
    return tuple(dim for axis, dim in enumerate(x) if (axis not in axes if axes is not None else dim != 1))


def _concatenation(op: Op, shapes: Sequence[Shape], _constants: Constants) -> Shape:
    axis = op.option("axis") % len(shapes[0])
    return tuple(sum(s[i] for s in shapes) if i == axis else dim for i, dim in enumerate(shapes[0]))


def _pad(_op: Op, shapes: Sequence[Shape], constants: Constants) -> Shape:
    widths = _known(constants, 1).tolist()
    return tuple(before + dim + after for dim, (before, after) in zip(shapes[0], widths, strict=True))


def _strided_slice(op: Op, shapes: Sequence[Shape], constants: Constants) -> Shape:
    index = slice_index(op, *(_known(constants, i) for i in (1, 2, 3)))
    index = (*index, *(slice(None) for _ in shapes[0][len(index) :]))
    lengths = [
        len(range(*part.indices(dim))) if isinstance(part, slice) else 0
        for part, dim in zip(index, shapes[0], strict=True)
    ]
    return tuple(size for size, part in zip(lengths, index, strict=True) if isinstance(part, slice))


def _transpose_conv(_op: Op, _shapes: Sequence[Shape], constants: Constants) -> Shape:
    return tuple(_known(constants, 0).tolist())


_RULES: Mapping[str, _ShapeRule] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                *(
                    "RELU",
                    "RELU6",
                    "RELU_N1_TO_1",
                    "LEAKY_RELU",
                    "HARD_SWISH",
                    "LOGISTIC",
                    "TANH",
                    "GELU",
                    "ELU",
                ),
                *("SOFTMAX", "LOG_SOFTMAX", "SQRT", "RSQRT", "SQUARE", "NEG", "EXP", "LOG", "ABS", "CAST"),
                *("QUANTIZE", "DEQUANTIZE", "L2_NORMALIZATION"),
            ),
            _same,
        ),
        **dict.fromkeys(
            ("ADD", "SUB", "MUL", "DIV", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM", "POW", "PRELU"),
            _broadcast,
        ),
        **dict.fromkeys(("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), _reduce),
        **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D"), _pool),
        **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), _pad),
        "FULLY_CONNECTED": _fully_connected,
        "BATCH_MATMUL": _batch_matmul,
        "CONV_2D": _conv,
        "DEPTHWISE_CONV_2D": _depthwise,
        "TRANSPOSE_CONV": _transpose_conv,
        "TRANSPOSE": _transpose,
        "EXPAND_DIMS": _expand,
        "SQUEEZE": _squeeze,
        "CONCATENATION": _concatenation,
        "STRIDED_SLICE": _strided_slice,
    }
)
