"""Evaluates ahead of time what converters leave on constants: shape arithmetic and half-precision weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from types import MappingProxyType

import numpy as np

from edge_client.litert.ir import Array, DType, ModelError, Op, Tensor

FOLDED_VALUES_MAX = 1 << 24
# Ops whose output can be as large as the product of their inputs.
_GROWING = ("GATHER", "MUL")


def fold(op: Op, inputs: Sequence[Tensor]) -> Array | None:
    """The op's output when it is known now (SHAPE: always), else None."""
    if op.kind == "SHAPE":
        return np.array(inputs[0].shape)
    evaluate = _EVALUATE.get(op.kind)
    if evaluate is None or any(tensor.data is None for tensor in inputs):
        return None
    if op.kind == "DEQUANTIZE" and inputs[0].dtype != DType.FLOAT16:
        return None
    if op.kind in _GROWING and prod(tensor.size for tensor in inputs) > FOLDED_VALUES_MAX:
        return None
    try:
        return evaluate(op, [tensor.array() for tensor in inputs])
    except (ValueError, IndexError, TypeError) as error:
        raise ModelError(f"{op.kind} on constants that do not fit it: {error}") from error


def slice_index(op: Op, begin: Array, end: Array, strides: Array) -> tuple[slice | int, ...]:
    """The numpy index of a STRIDED_SLICE; raises `ModelError` for the masks no converter writes."""
    if op.option("ellipsisMask") or op.option("newAxisMask") or op.option("offset"):
        raise ModelError("STRIDED_SLICE with an ellipsis, new axis or offset mask is not supported")
    index: list[slice | int] = []
    for axis, (start, stop, stride) in enumerate(
        zip(begin.tolist(), end.tolist(), strides.tolist(), strict=True)
    ):
        bit = 1 << axis
        if op.option("shrinkAxisMask") & bit:
            index.append(start)
            continue
        first = None if op.option("beginMask") & bit else start
        index.append(slice(first, None if op.option("endMask") & bit else stop, stride))
    return tuple(index)


def _strided_slice(op: Op, inputs: list[Array]) -> Array:
    return np.asarray(inputs[0][slice_index(op, *inputs[1:])])


def _pack(op: Op, inputs: list[Array]) -> Array:
    return np.stack(inputs, op.option("axis"))


def _concatenate(op: Op, inputs: list[Array]) -> Array:
    return np.concatenate(inputs, op.option("axis"))


def _gather(op: Op, inputs: list[Array]) -> Array:
    return inputs[0].take(inputs[1], op.option("axis"))


def _as_it_is(_op: Op, inputs: list[Array]) -> Array:
    """CAST and DEQUANTIZE (of half-precision weights): the caller converts to the output's type."""
    return inputs[0]


def _reshape(_op: Op, inputs: list[Array]) -> Array:
    return np.reshape(inputs[0], inputs[1].tolist())


def _transpose(_op: Op, inputs: list[Array]) -> Array:
    return np.transpose(inputs[0], inputs[1].tolist())


def _multiply(_op: Op, inputs: list[Array]) -> Array:
    return np.asarray(inputs[0] * inputs[1])


def _product(_op: Op, inputs: list[Array]) -> Array:
    return np.asarray(inputs[0].prod(tuple(inputs[1].ravel().tolist())))


_EVALUATE: Mapping[str, Callable[[Op, list[Array]], Array]] = MappingProxyType(
    {
        "STRIDED_SLICE": _strided_slice,
        "PACK": _pack,
        "CONCATENATION": _concatenate,
        "RESHAPE": _reshape,
        "DEQUANTIZE": _as_it_is,
        "CAST": _as_it_is,
        "TRANSPOSE": _transpose,
        "GATHER": _gather,
        "MUL": _multiply,
        "REDUCE_PROD": _product,
    }
)
