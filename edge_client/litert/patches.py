"""Emits the reading of patches and its transpose, the building blocks of convolution and pooling."""

from __future__ import annotations

import numpy as np

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.geometry import Window

# Up to this many values a patch is copied faster by a convolution with an identity kernel than by GATHER,
# whose cost is one small copy per pixel (docs/TRAINING.md).
IDENTITY_VALUES_MAX = 64
LOWEST = float(np.finfo(np.float32).min)


def flat_image(b: GraphBuilder, x: Value) -> Value:
    """[n, h, w, c] as [n, h * w, c]."""
    return ops.reshape(b, x, (x.shape[0], x.shape[1] * x.shape[2], x.shape[3]))


def read_patches(b: GraphBuilder, x: Value, window: Window) -> Value:
    """x [n, h, w, c] as the matrix [n * outputs, taps * c], one row per window."""
    n, channels = x.shape[0], x.shape[3]
    shape = (n * window.outputs, window.taps * channels)
    if window.is_pointwise:
        return ops.reshape(b, x, shape)
    if channels == 1 and window.taps <= IDENTITY_VALUES_MAX:
        identity = np.eye(window.taps, dtype=np.float32)
        kernel = identity.reshape(window.taps, window.rows.kernel, window.columns.kernel, 1)
        return ops.reshape(b, ops.convolve(b, x, b.constant(kernel), window), shape)
    padded = ops.pad_image(b, x, window)
    return ops.reshape(b, ops.gather(b, flat_image(b, padded), window.sources().ravel(), 1), shape)


def add_patches(b: GraphBuilder, entries: Value, window: Window, *, taps_first: bool = False) -> Value:
    """The transpose of reading: for each pixel, the sum of the entries [n, outputs * taps, c] that read it.

    A further entry of zeros fills up pixels that fewer windows read; it is added here if it is missing.
    Result [n, h, w, c].
    """
    table = window.targets(taps_first=taps_first)
    n, channels = entries.shape[0], entries.shape[2]
    if int(table.max()) == entries.shape[1]:
        entries = ops.pad(b, entries, ((0, 0), (0, 1), (0, 0)))
    picked = ops.gather(b, entries, table.ravel(), 1)
    parts = ops.reshape(b, picked, (n, *table.shape, channels))
    return ops.reshape(
        b, ops.reduce_sum(b, parts, (2,)), (n, window.rows.size, window.columns.size, channels)
    )


def pool_slabs(b: GraphBuilder, x: Value, window: Window) -> list[Value]:
    """One [n, outputs, c] value per tap of the window; padding counts as the lowest number."""
    n, channels = x.shape[0], x.shape[3]
    table = window.sources().T.ravel()
    picked = ops.gather(b, flat_image(b, ops.pad_image(b, x, window, LOWEST)), table, 1)
    size = (n, window.outputs, channels)
    return [ops.slice_of(b, picked, (0, tap * window.outputs, 0), size) for tap in range(window.taps)]


def spread(b: GraphBuilder, x: Value, window: Window) -> Value:
    """x [n, oh, ow, c] with stride - 1 zeros between its rows and columns, as if the stride had been 1."""
    for axis, step in ((1, window.rows.stride), (2, window.columns.stride)):
        count = x.shape[axis]
        if step == 1 or count == 1:
            continue
        table = np.full((count - 1) * step + 1, count, np.int32)
        table[::step] = np.arange(count)
        widths = tuple((0, 1) if i == axis else (0, 0) for i in range(4))
        x = ops.gather(b, ops.pad(b, x, widths), table, axis)
    return x
