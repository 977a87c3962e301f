"""Matrix products: how they are emitted and differentiated."""

from __future__ import annotations

from math import prod

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.ir import Op
from edge_client.litert.rules.step import Gradients, Lowered, Step, given

# From this many weights on, and up to this many rows, the product is faster with the weights on the left:
# the right side is repacked at every call (docs/TRAINING.md).
LEFT_WEIGHTS_MIN = 1 << 20
LEFT_ROWS_MAX = 64


def lower_fully_connected(b: GraphBuilder, op: Op, inputs: tuple[Value | None, ...]) -> Lowered:
    """x W^T + b as BATCH_MATMUL and ADD, twice as fast here as FULLY_CONNECTED with computed weights."""
    x, weights = given(inputs, 0), given(inputs, 1)
    flat = ops.reshape(b, x, (x.size // weights.shape[1], weights.shape[1]))
    product = _times_transposed(b, flat, weights)
    bias = inputs[2] if len(inputs) > 2 else None
    keep = op.option("keepNumDims")
    shape = (*x.shape[:-1], weights.shape[0]) if keep else product.shape
    return Lowered(ops.reshape(b, ops.finish(b, product, bias, op.activation), shape), (flat,))


def _times_transposed(b: GraphBuilder, x: Value, weights: Value) -> Value:
    """x [n, in] times the transpose of weights [out, in]."""
    if weights.size >= LEFT_WEIGHTS_MIN and x.shape[0] <= LEFT_ROWS_MAX:
        return ops.transpose(b, ops.matmul(b, weights, x, adj_y=True), (1, 0))
    return ops.matmul(b, x, weights, adj_y=True)


def fully_connected(step: Step, grad: Value) -> Gradients:
    """y = x W^T + b: dx = g W, dW = g^T x, db = sum of g; x may have any rank, W is [out, in]."""
    b, x, weights = step.builder, step.input(0), step.input(1)
    rows = ops.reshape(b, grad, (grad.size // weights.shape[0], weights.shape[0]))
    flat = ops.reshape(b, x, (rows.shape[0], weights.shape[1]))
    dx = ops.reshape(b, ops.matmul(b, rows, weights), x.shape) if step.needed[0] else None
    dw = ops.matmul(b, rows, flat, adj_x=True) if step.needed[1] else None
    if len(step.inputs) < 3:
        return dx, dw
    return dx, dw, ops.reduce_sum(b, rows, (0,)) if step.needed[2] else None


def batch_matmul(step: Step, grad: Value) -> Gradients:
    """y = x' z', each transposed or not: dx' = g z'^T and dz' = x'^T g, summed over broadcast axes."""
    b, x, z = step.builder, step.input(0), step.input(1)
    adj_x, adj_z = bool(step.op.option("adjX")), bool(step.op.option("adjY"))
    dx = dz = None
    if step.needed[0]:
        dx = ops.matmul(b, z, grad, adj_z, True) if adj_x else ops.matmul(b, grad, z, False, not adj_z)
        dx = ops.sum_to_shape(b, dx, x.shape)
    if step.needed[1]:
        dz = _right_gradient(b, x, z, grad, (adj_x, adj_z))
    return dx, dz


def _right_gradient(b: GraphBuilder, x: Value, z: Value, grad: Value, adjoint: tuple[bool, bool]) -> Value:
    adj_x, adj_z = adjoint
    if z.rank == 2 and not adj_x and x.rank > 2:
        x = ops.reshape(b, x, (prod(x.shape[:-1]), x.shape[-1]))
        grad = ops.reshape(b, grad, (x.shape[0], grad.shape[-1]))
    dz = ops.matmul(b, grad, x, True, adj_x) if adj_z else ops.matmul(b, x, grad, not adj_x, False)
    return ops.sum_to_shape(b, dz, z.shape)
