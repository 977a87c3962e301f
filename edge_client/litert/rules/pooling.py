"""Pools: the gradient of a maximum goes to the first of its equals, that of a mean is shared."""

from __future__ import annotations

import numpy as np

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.geometry import Window
from edge_client.litert.ir import Op
from edge_client.litert.patches import add_patches, pool_slabs
from edge_client.litert.rules.activation import positive
from edge_client.litert.rules.step import Gradients, Step


def _pool_window(op: Op, x: Value) -> Window:
    return Window.of(op, x.shape[1], x.shape[2], (op.option("filterHeight"), op.option("filterWidth")))


def max_pool(step: Step, grad: Value) -> Gradients:
    """Pass the gradient along the taps of each window; the first that equals the maximum keeps it."""
    b, x = step.builder, step.input(0)
    window = _pool_window(step.op, x)
    n, channels = x.shape[0], x.shape[3]
    shape = (n, window.outputs, channels)
    top, left = ops.reshape(b, step.output, shape), ops.reshape(b, grad, shape)
    taken: list[Value] = []
    slabs = pool_slabs(b, x, window)
    for slab in slabs[:-1]:
        passed = ops.mul(b, left, positive(b, ops.sub(b, top, slab)))
        taken.append(ops.sub(b, left, passed))
        left = passed
    entries = ops.concatenate(b, [*taken, left], 1)
    return (add_patches(b, entries, window, taps_first=True),)


def average_pool(step: Step, grad: Value) -> Gradients:
    """Each window gives every pixel it really covers (padding not counted) the same share."""
    b, x = step.builder, step.input(0)
    window = _pool_window(step.op, x)
    n, channels = x.shape[0], x.shape[3]
    counts = np.bincount(window.targets(taps_first=False).ravel() // window.taps, minlength=window.outputs)
    share = (1.0 / counts[: window.outputs]).astype(np.float32).reshape(1, window.outputs, 1)
    shared = ops.mul(b, ops.reshape(b, grad, (n, window.outputs, channels)), b.constant(share))
    return (_add_windows(b, _with_zero(b, shared), window),)


def _add_windows(b: GraphBuilder, entries: Value, window: Window) -> Value:
    """Like `add_patches` for entries [n, outputs + 1, c] that are the same for all taps of a window."""
    table = window.targets(taps_first=False) // window.taps
    n, channels = entries.shape[0], entries.shape[2]
    picked = ops.reshape(b, ops.gather(b, entries, table.ravel(), 1), (n, *table.shape, channels))
    return ops.reshape(
        b, ops.reduce_sum(b, picked, (2,)), (n, window.rows.size, window.columns.size, channels)
    )


def _with_zero(b: GraphBuilder, entries: Value) -> Value:
    return ops.pad(b, entries, ((0, 0), (0, 1), (0, 0)))
