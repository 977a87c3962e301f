"""Gradients of ops that move, join, cut or reduce values."""

from __future__ import annotations

import numpy as np

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.fold import slice_index
from edge_client.litert.ir import Array
from edge_client.litert.rules.step import Gradients, Step


def reshape(step: Step, grad: Value) -> Gradients:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: back to the shape of the input."""
    return (ops.reshape(step.builder, grad, step.input(0).shape), *(None for _ in step.inputs[1:]))


def transpose(step: Step, grad: Value) -> Gradients:
    """TRANSPOSE: the inverse order."""
    return (ops.transpose(step.builder, grad, np.argsort(step.constant(1)).tolist()), None)


def concatenation(step: Step, grad: Value) -> Gradients:
    """CONCATENATION: each input gets its part."""
    b, axis, begin = step.builder, step.op.option("axis") % grad.rank, 0
    parts: list[Value | None] = []
    for index, needed in enumerate(step.needed):
        shape = step.input(index).shape
        at = [begin if i == axis else 0 for i in range(grad.rank)]
        parts.append(ops.slice_of(b, grad, at, shape) if needed else None)
        begin += shape[axis]
    return tuple(parts)


def slice_(step: Step, grad: Value) -> Gradients:
    """SLICE: zeros where nothing was read."""
    begin = step.constant(1).tolist()
    widths = _around(begin, grad.shape, step.input(0).shape)
    return (ops.pad(step.builder, grad, widths), None, None)


def pad(step: Step, grad: Value) -> Gradients:
    """PAD and PADV2: the part in the middle."""
    begin = [before for before, _ in step.constant(1).tolist()]
    shape = step.input(0).shape
    return (ops.slice_of(step.builder, grad, begin, shape), *(None for _ in step.inputs[1:]))


def strided_slice(step: Step, grad: Value) -> Gradients:
    """STRIDED_SLICE: along each axis, read what was written there and zero elsewhere."""
    b, shape = step.builder, step.input(0).shape
    index = slice_index(step.op, *(step.constant(i) for i in (1, 2, 3)))
    index = (*index, *(slice(None) for _ in shape[len(index) :]))
    reads = [np.atleast_1d(np.arange(dim)[part]) for dim, part in zip(shape, index, strict=True)]
    grad = ops.reshape(b, grad, tuple(len(read) for read in reads))
    for axis, (read, dim) in enumerate(zip(reads, shape, strict=True)):
        grad = _unread(b, grad, axis, (read, dim))
    return (grad, None, None, None)


def _unread(b: GraphBuilder, grad: Value, axis: int, reads: tuple[Array, int]) -> Value:
    """grad spread out along one axis to `dim` places, of which those in `read` are filled."""
    read, dim = reads
    if len(read) == dim and (read == np.arange(dim)).all():
        return grad
    if (np.diff(read) == 1).all():
        widths = [(0, 0)] * grad.rank
        widths[axis] = (int(read[0]), dim - int(read[-1]) - 1)
        return ops.pad(b, grad, widths)
    table = np.full(dim, len(read), np.int32)
    table[read] = np.arange(len(read))
    widths = [(0, 1) if i == axis else (0, 0) for i in range(grad.rank)]
    return ops.gather(b, ops.pad(b, grad, widths), table, axis)


def _around(begin: list[int], size: tuple[int, ...], whole: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(at, dim - at - part) for at, part, dim in zip(begin, size, whole, strict=True)]


def sum_(step: Step, grad: Value) -> Gradients:
    """SUM: the gradient repeated."""
    return (_repeated(step, grad), None)


def mean(step: Step, grad: Value) -> Gradients:
    """MEAN: the gradient over the number of values, repeated."""
    b = step.builder
    share = b.scalar(grad.size / step.input(0).size)
    return (_repeated(step, ops.mul(b, grad, share)), None)


def _repeated(step: Step, grad: Value) -> Value:
    b, x = step.builder, step.input(0)
    axes = {int(axis) % x.rank for axis in np.atleast_1d(step.constant(1))}
    kept = tuple(1 if axis in axes else dim for axis, dim in enumerate(x.shape))
    ones = tuple(dim if axis in axes else 1 for axis, dim in enumerate(x.shape))
    return ops.mul(b, ops.reshape(b, grad, kept), b.constant(np.ones(ones, np.float32)))
