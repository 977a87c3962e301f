"""Losses on the last linear output: per-sample values, their gradient, and what counts as correct."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.ir import DType
from edge_client.protocol.manifest import Loss


@dataclass(frozen=True, slots=True)
class LossTerms:
    """float32 [batch] loss of each sample, and float32 [batch, K] gradient of each sample's own loss."""

    per_sample: Value
    gradient: Value


def label(b: GraphBuilder, loss: Loss, batch: int, outputs: int) -> Value:
    """The graph input `y`: int32 class ids [batch] for softmax-cross-entropy, else float32 [batch, K]."""
    if loss == Loss.SOFTMAX_CROSS_ENTROPY:
        return b.input("y", (batch,), DType.INT32)
    return b.input("y", (batch, outputs))


def loss_terms(b: GraphBuilder, loss: Loss, logits: Value, y: Value) -> LossTerms:
    """Loss and gradient of float32 logits [batch, K]; all but softmax-cross-entropy are means over K."""
    if loss == Loss.SOFTMAX_CROSS_ENTROPY:
        return _softmax_cross_entropy(b, logits, y)
    error = ops.sub(b, logits, y)
    if loss == Loss.SIGMOID_CROSS_ENTROPY:
        values, slope = _sigmoid_cross_entropy(b, logits, y)
    elif loss == Loss.MSE:
        values, slope = ops.square(b, error), ops.add(b, error, error)
    else:
        values, slope = _huber(b, error)
    share = b.scalar(1.0 / logits.shape[1])
    return LossTerms(ops.mul(b, ops.reduce_sum(b, values, (1,)), share), ops.mul(b, slope, share))


def correct(b: GraphBuilder, loss: Loss, logits: Value, y: Value) -> Value:
    """float32 [batch]: 1 for the right class, the share of right bits for sigmoid, 0 for regression."""
    if loss == Loss.SOFTMAX_CROSS_ENTROPY:
        return ops.cast(b, ops.equal(b, ops.arg_max(b, logits), y), DType.FLOAT32)
    if loss == Loss.SIGMOID_CROSS_ENTROPY:
        said = ops.cast(b, ops.greater(b, logits, b.scalar(0.0)), DType.FLOAT32)
        meant = ops.cast(b, ops.greater(b, y, b.scalar(0.5)), DType.FLOAT32)
        right = ops.cast(b, ops.equal(b, said, meant), DType.FLOAT32)
        return ops.mul(b, ops.reduce_sum(b, right, (1,)), b.scalar(1.0 / logits.shape[1]))
    return ops.mul(b, ops.reduce_sum(b, logits, (1,)), b.scalar(0.0))


def _softmax_cross_entropy(b: GraphBuilder, logits: Value, y: Value) -> LossTerms:
    target = ops.one_hot(b, y, logits.shape[1])
    gradient = ops.sub(b, ops.softmax(b, logits), target)
    picked = ops.reduce_sum(b, ops.mul(b, ops.log_softmax(b, logits), target), (1,))
    return LossTerms(ops.neg(b, picked), gradient)


def _sigmoid_cross_entropy(b: GraphBuilder, logits: Value, y: Value) -> tuple[Value, Value]:
    """max(z, 0) - z y + log(1 + exp(-|z|)), which never overflows."""
    tail = ops.log(b, ops.add(b, ops.exp(b, ops.neg(b, ops.absolute(b, logits))), b.scalar(1.0)))
    values = ops.add(b, ops.sub(b, ops.relu(b, logits), ops.mul(b, logits, y)), tail)
    return values, ops.sub(b, ops.logistic(b, logits), y)


def _huber(b: GraphBuilder, error: Value) -> tuple[Value, Value]:
    """With c = error clipped to [-1, 1]: c (error - c/2)."""
    clipped = ops.maximum(b, ops.minimum(b, error, b.scalar(1.0)), b.scalar(-1.0))
    half = ops.mul(b, clipped, b.scalar(0.5))
    return ops.mul(b, clipped, ops.sub(b, error, half)), clipped
