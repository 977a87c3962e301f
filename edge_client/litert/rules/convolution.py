"""Convolutions as patches and matrix products, and their gradients through the inverse of the patch table."""

from __future__ import annotations

import numpy as np

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.geometry import Axis, Window
from edge_client.litert.ir import ModelError, Op
from edge_client.litert.patches import add_patches, read_patches, spread
from edge_client.litert.rules.step import Gradients, Lowered, Step, given


def _bias(inputs: tuple[Value | None, ...], index: int) -> Value | None:
    return inputs[index] if len(inputs) > index else None


def _image(x: Value, kind: str) -> Value:
    if x.rank != 4:
        raise ModelError(f"{kind} on a tensor of rank {x.rank}, not 4")
    return x


# --- CONV_2D: x [n, h, w, c], kernel [o, kh, kw, c / groups] ---------------------------------------


def _conv_window(op: Op, x: Value, kernel: Value) -> Window:
    return Window.of(op, x.shape[1], x.shape[2], (kernel.shape[1], kernel.shape[2]))


def _groups(x: Value, kernel: Value) -> int:
    """Groups of a grouped convolution: input channels over those of one filter; raises `ModelError`."""
    groups = x.shape[3] // max(kernel.shape[3], 1)
    if groups * kernel.shape[3] != x.shape[3] or kernel.shape[0] % groups:
        raise ModelError(f"CONV_2D of {x.shape[3]} channels with a kernel of shape {kernel.shape}")
    return groups


def lower_conv(b: GraphBuilder, op: Op, inputs: tuple[Value | None, ...]) -> Lowered:
    """Patches times kernel; grouped convolutions as one product per group. Keeps the patches."""
    x, kernel = _image(given(inputs, 0), op.kind), _image(given(inputs, 1), op.kind)
    window, groups = _conv_window(op, x, kernel), _groups(x, kernel)
    patches = _by_group(b, read_patches(b, x, window), window.taps, groups)
    filters = _filters(b, kernel, groups)
    product = _joined(b, ops.matmul(b, patches, filters, adj_y=True))
    finished = ops.finish(b, product, _bias(inputs, 2), op.activation)
    shape = (x.shape[0], window.rows.outputs, window.columns.outputs, kernel.shape[0])
    return Lowered(ops.reshape(b, finished, shape), (patches,))


def conv(step: Step, grad: Value) -> Gradients:
    """dx: grad times kernel, added back where the patches were read; dkernel: grad^T times patches."""
    b, x, kernel, patches = step.builder, step.input(0), step.input(1), step.saved[0]
    window, groups = _conv_window(step.op, x, kernel), _groups(x, kernel)
    outputs = kernel.shape[0]
    rows = ops.reshape(b, grad, (grad.size // outputs, outputs))
    dx = dkernel = dbias = None
    # The kernel first: the patches are free before the input's gradient needs as much room.
    if step.needed[1]:
        split = _split(b, rows, groups)
        dkernel = ops.reshape(b, _filter_gradient(b, patches, split), kernel.shape)
    if step.needed[0]:
        dx = _conv_input(b, (x, kernel), rows, window, groups)
    if len(step.inputs) > 2 and step.needed[2]:
        dbias = ops.reduce_sum(b, rows, (0,))
    return (dx, dkernel, dbias)[: len(step.inputs)]


def _filter_gradient(b: GraphBuilder, patches: Value, rows: Value) -> Value:
    """rows^T patches, computed as (patches^T rows)^T, the faster of the two."""
    product = ops.matmul(b, patches, rows, adj_x=True)
    order = (1, 0) if product.rank == 2 else (0, 2, 1)
    return ops.transpose(b, product, order)


def _conv_input(
    b: GraphBuilder, pair: tuple[Value, Value], rows: Value, window: Window, groups: int
) -> Value:
    x, kernel = pair
    n = x.shape[0]
    if window.is_pointwise and groups == 1:
        return ops.reshape(b, ops.matmul(b, rows, _filters(b, kernel, 1)), x.shape)
    images = ops.reshape(b, rows, (n, window.outputs, rows.shape[1]))
    # A row of zeros per image becomes the zero entries that `add_patches` fills up with.
    with_zero = ops.pad(b, images, ((0, 0), (0, 1), (0, 0)))
    flat = ops.reshape(b, with_zero, (n * (window.outputs + 1), rows.shape[1]))
    entries = ops.matmul(b, _split(b, flat, groups), _filters(b, kernel, groups))
    if groups > 1:
        parts = (groups, n * (window.outputs + 1), window.taps, kernel.shape[3])
        entries = ops.transpose(b, ops.reshape(b, entries, parts), (1, 2, 0, 3))
    shape = (n, (window.outputs + 1) * window.taps, x.shape[3])
    return add_patches(b, ops.reshape(b, entries, shape), window)


def _filters(b: GraphBuilder, kernel: Value, groups: int) -> Value:
    """[o, taps * c], or [groups, o / groups, taps * c / groups]."""
    outputs, width = kernel.shape[0], kernel.size // kernel.shape[0]
    return ops.reshape(b, kernel, (outputs, width) if groups == 1 else (groups, outputs // groups, width))


def _by_group(b: GraphBuilder, patches: Value, taps: int, groups: int) -> Value:
    """[m, taps * c], or [groups, m, taps * c / groups]."""
    if groups == 1:
        return patches
    m, channels = patches.shape[0], patches.shape[1] // (taps * groups)
    split = ops.transpose(b, ops.reshape(b, patches, (m, taps, groups, channels)), (2, 0, 1, 3))
    return ops.reshape(b, split, (groups, m, taps * channels))


def _split(b: GraphBuilder, rows: Value, groups: int) -> Value:
    """[m, o], or [groups, m, o / groups]."""
    if groups == 1:
        return rows
    m, outputs = rows.shape
    return ops.transpose(b, ops.reshape(b, rows, (m, groups, outputs // groups)), (1, 0, 2))


def _joined(b: GraphBuilder, product: Value) -> Value:
    """The reverse of `_split`."""
    if product.rank == 2:
        return product
    groups, m, outputs = product.shape
    return ops.reshape(b, ops.transpose(b, product, (1, 0, 2)), (m, groups * outputs))


# --- DEPTHWISE_CONV_2D: x [n, h, w, c], kernel [1, kh, kw, c * multiplier] -------------------------


def _depthwise_input(b: GraphBuilder, x: Value, kernel: Value) -> Value:
    """x with each channel repeated for each of its filters; raises `ModelError`."""
    multiplier = kernel.shape[3] // max(x.shape[3], 1)
    if kernel.shape[0] != 1 or multiplier * x.shape[3] != kernel.shape[3]:
        raise ModelError(f"DEPTHWISE_CONV_2D of {x.shape[3]} channels with a kernel of shape {kernel.shape}")
    if multiplier == 1:
        return x
    table = np.arange(kernel.shape[3]) // multiplier
    return ops.gather(b, x, table, 3)


def lower_depthwise(b: GraphBuilder, op: Op, inputs: tuple[Value | None, ...]) -> Lowered:
    """The op as it is, but never without a bias: without one the runtime's kernel crashes."""
    x, kernel = _image(given(inputs, 0), op.kind), _image(given(inputs, 1), op.kind)
    bias = _bias(inputs, 2)
    if bias is None:
        bias = b.constant(np.zeros(kernel.shape[3], np.float32))
    window = _conv_window(op, x, kernel)
    shape = (x.shape[0], window.rows.outputs, window.columns.outputs, kernel.shape[3])
    return Lowered(b.op(op.kind, (x, kernel, bias), shape, op.options))


def depthwise(step: Step, grad: Value) -> Gradients:
    """Both gradients are depthwise convolutions: of grad with the kernel turned round, of x with grad."""
    b, x, kernel = step.builder, _image(step.input(0), step.op.kind), _image(step.input(1), step.op.kind)
    window = _conv_window(step.op, x, kernel)
    dx = dkernel = dbias = None
    if step.needed[1]:
        padded = ops.pad_image(b, _depthwise_input(b, x, kernel), window)
        dkernel = _depthwise_dkernel(b, padded, grad, window)
    if step.needed[0]:
        dx = _depthwise_dx(b, (x, kernel), grad, window)
    if len(step.inputs) > 2 and step.needed[2]:
        dbias = ops.reduce_sum(b, grad, (0, 1, 2))
    return (dx, dkernel, dbias)[: len(step.inputs)]


def _depthwise_dx(b: GraphBuilder, pair: tuple[Value, Value], grad: Value, window: Window) -> Value:
    x, kernel = pair
    taps = ops.reshape(b, kernel, (window.taps, kernel.shape[3]))
    turned = ops.reshape(b, ops.gather(b, taps, np.arange(window.taps)[::-1], 0), kernel.shape)
    spreaded = spread(b, grad, window)
    rows, columns = spreaded.shape[1:3]
    back = Window(_turned_axis(window.rows, rows), _turned_axis(window.columns, columns))
    dx = ops.convolve_depthwise(b, spreaded, turned, back)
    multiplier = kernel.shape[3] // x.shape[3]
    if multiplier == 1:
        return dx
    return ops.reduce_sum(b, ops.reshape(b, dx, (*x.shape, multiplier)), (4,))


def _turned_axis(axis: Axis, size: int) -> Axis:
    """The window with which the gradient of this axis' input reads the spread gradient of its output."""
    reach = (axis.kernel - 1) * axis.dilation
    before = reach - axis.before
    after = axis.size + reach - before - size
    return Axis(size, axis.kernel, 1, axis.dilation, before, after, axis.size)


def _depthwise_dkernel(b: GraphBuilder, padded: Value, grad: Value, window: Window) -> Value:
    """All images above one another make one image and one kernel; zeros part the images. [1, kh, kw, c]."""
    spreaded = spread(b, grad, window)
    n, height, width, channels = padded.shape
    rows, columns = spreaded.shape[1:3]
    apart = ops.pad(b, spreaded, ((0, 0), (0, height - rows), (0, 0), (0, 0)))
    kernel_rows = (n - 1) * height + rows
    stacked = ops.reshape(b, apart, (1, n * height, columns, channels))
    kernel = ops.slice_of(b, stacked, (0, 0, 0, 0), (1, kernel_rows, columns, channels))
    # Strides may leave rows and columns of the image unread.
    reads = Window(_kernel_axis(window.rows, kernel_rows), _kernel_axis(window.columns, columns))
    image = ops.reshape(b, padded, (1, n * height, width, channels))
    used = ops.slice_of(b, image, (0, 0, 0, 0), (1, reads.rows.size, reads.columns.size, channels))
    return ops.convolve_depthwise(b, used, kernel, reads)


def _kernel_axis(axis: Axis, kernel: int) -> Axis:
    """The window with which the gradient, as a kernel, reads the image to give the gradient of the kernel."""
    size = kernel + (axis.kernel - 1) * axis.dilation
    return Axis(size, kernel, axis.dilation, 1, 0, 0, axis.kernel)
