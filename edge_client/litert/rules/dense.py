"""Gradients of matrix products."""

from __future__ import annotations

from edge_client.litert import ops
from edge_client.litert.builder import Value
from edge_client.litert.rules.step import Gradients, Step


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
