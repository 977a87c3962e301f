"""TRANSPOSE_CONV: the transpose of reading patches, so forward and backward change places.

Inputs: output shape, kernel [o, kh, kw, c], x [n, h, w, c], and a bias or none.
"""

from __future__ import annotations

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.geometry import Window
from edge_client.litert.ir import ModelError, Op
from edge_client.litert.patches import add_patches, read_patches
from edge_client.litert.rules.step import Gradients, Lowered, Step, given


def _window(op: Op, x: Value, kernel: Value, size: tuple[int, int]) -> Window:
    """The window whose outputs are the pixels of x, whose image is the output; raises `ModelError`."""
    window = Window.of(op, *size, (kernel.shape[1], kernel.shape[2]))
    if (window.rows.outputs, window.columns.outputs) != x.shape[1:3]:
        raise ModelError(f"TRANSPOSE_CONV of {x.shape} does not give an image of {size}")
    return window


def _taps_first(b: GraphBuilder, kernel: Value) -> Value:
    """The kernel as [taps * o, c]."""
    outputs, rows, columns, channels = kernel.shape
    flat = ops.reshape(b, kernel, (outputs, rows * columns, channels))
    return ops.reshape(b, ops.transpose(b, flat, (1, 0, 2)), (rows * columns * outputs, channels))


def lower_transpose_conv(b: GraphBuilder, op: Op, inputs: tuple[Value | None, ...]) -> Lowered:
    """Every pixel of x times the kernel, added where it belongs."""
    kernel, x = given(inputs, 1), given(inputs, 2)
    sizes = b.content(given(inputs, 0))
    if sizes.shape != (4,) or x.rank != 4 or kernel.rank != 4:
        raise ModelError(f"TRANSPOSE_CONV of {x.shape} with a kernel of {kernel.shape}")
    window = _window(op, x, kernel, (int(sizes[1]), int(sizes[2])))
    n, outputs = x.shape[0], kernel.shape[0]
    rows = ops.reshape(b, x, (x.size // x.shape[3], x.shape[3]))
    entries = ops.matmul(b, rows, _taps_first(b, kernel), adj_y=True)
    image = add_patches(b, ops.reshape(b, entries, (n, window.outputs * window.taps, outputs)), window)
    bias = inputs[3] if len(inputs) > 3 else None
    return Lowered(ops.finish(b, image, bias, op.activation))


def transpose_conv(step: Step, grad: Value) -> Gradients:
    """dx: patches of the gradient times the kernel; dkernel: those patches^T times x."""
    b, kernel, x = step.builder, step.input(1), step.input(2)
    window = _window(step.op, x, kernel, (grad.shape[1], grad.shape[2]))
    patches = read_patches(b, grad, window)
    rows = ops.reshape(b, x, (x.size // x.shape[3], x.shape[3]))
    dx = dkernel = None
    if step.needed[2]:
        dx = ops.reshape(b, ops.matmul(b, patches, _taps_first(b, kernel)), x.shape)
    if step.needed[1]:
        product = ops.matmul(b, patches, rows, adj_x=True)
        outputs, channels = kernel.shape[0], kernel.shape[3]
        by_tap = ops.reshape(b, product, (window.taps, outputs, channels))
        dkernel = ops.reshape(b, ops.transpose(b, by_tap, (1, 0, 2)), kernel.shape)
    if len(step.inputs) < 4:
        return None, dkernel, dx
    return None, dkernel, dx, ops.reduce_sum(b, grad, (0, 1, 2)) if step.needed[3] else None
