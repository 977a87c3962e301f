"""Gradients of activations, written from the output wherever that saves keeping the input."""

from __future__ import annotations

import math

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.ir import Activation, DType, ModelError
from edge_client.litert.rules.step import Gradients, Step

# Times this, every normal positive float32 is at least 1 (or infinite), and the product is exact.
STEEP = 2.0**126
GELU_SERIES_BELOW = 1e-2


def positive(b: GraphBuilder, x: Value) -> Value:
    """1 where x > 0, 0 where x = 0, for x >= 0: one clamped MUL, which the delegate takes."""
    return ops.mul(b, x, b.scalar(STEEP), Activation.RELU_N1_TO_1)


def where(b: GraphBuilder, condition: Value) -> Value:
    """1 where the condition holds, else 0."""
    return ops.cast(b, condition, DType.FLOAT32)


def undo_fused(b: GraphBuilder, activation: Activation, output: Value, grad: Value) -> Value:
    """Gradient before a fused activation, from the activated output; raises `ModelError` for SIGN_BIT."""
    if activation == Activation.NONE:
        return grad
    if activation == Activation.RELU:
        return ops.mul(b, grad, positive(b, output))
    if activation == Activation.RELU6:
        below = positive(b, ops.sub(b, b.scalar(6.0), output))
        return ops.mul(b, ops.mul(b, grad, positive(b, output)), below)
    if activation == Activation.RELU_N1_TO_1:
        inside = ops.sub(b, b.scalar(1.0), ops.absolute(b, output))
        return ops.mul(b, grad, positive(b, inside))
    if activation == Activation.TANH:
        return _through_tanh(b, grad, output)
    raise ModelError(f"the fused activation {activation.name} has no gradient")


def _through_tanh(b: GraphBuilder, grad: Value, output: Value) -> Value:
    return ops.sub(b, grad, ops.mul(b, grad, ops.square(b, output)))


def relu(step: Step, grad: Value) -> Gradients:
    """RELU."""
    return (undo_fused(step.builder, Activation.RELU, step.output, grad),)


def relu6(step: Step, grad: Value) -> Gradients:
    """RELU6."""
    return (undo_fused(step.builder, Activation.RELU6, step.output, grad),)


def leaky_relu(step: Step, grad: Value) -> Gradients:
    """LEAKY_RELU: 1 above zero, alpha below."""
    b = step.builder
    alpha = float(step.op.options.values.get("alpha", 0.0))
    above = where(b, ops.greater(b, step.input(0), b.scalar(0.0)))
    slope = ops.add(b, ops.mul(b, above, b.scalar(1.0 - alpha)), b.scalar(alpha))
    return (ops.mul(b, grad, slope),)


def hard_swish(step: Step, grad: Value) -> Gradients:
    """HARD_SWISH, x relu6(x + 3) / 6: 0 up to -3, (2x + 3) / 6 between, 1 from 3 on."""
    b, x = step.builder, step.input(0)
    above = where(b, ops.greater_equal(b, x, b.scalar(3.0)))
    inside = where(b, ops.less(b, ops.absolute(b, x), b.scalar(3.0)))
    ramp = ops.add(b, ops.mul(b, x, b.scalar(1.0 / 3.0)), b.scalar(0.5))
    return (ops.mul(b, grad, ops.add(b, above, ops.mul(b, inside, ramp))),)


def tanh(step: Step, grad: Value) -> Gradients:
    """TANH: 1 - y^2."""
    return (_through_tanh(step.builder, grad, step.output),)


def logistic(step: Step, grad: Value) -> Gradients:
    """LOGISTIC: y - y^2."""
    b, y = step.builder, step.output
    return (ops.mul(b, grad, ops.sub(b, y, ops.square(b, y))),)


def softmax(step: Step, grad: Value) -> Gradients:
    """SOFTMAX with factor beta: beta y (g - sum of g y)."""
    b, y = step.builder, step.output
    beta = float(step.op.options.values.get("beta", 1.0))
    inner = ops.reduce_sum(b, ops.mul(b, grad, y), (y.rank - 1,), keep=True)
    dx = ops.mul(b, y, ops.sub(b, grad, inner))
    return (dx if beta == 1.0 else ops.mul(b, dx, b.scalar(beta)),)


def log_softmax(step: Step, grad: Value) -> Gradients:
    """LOG_SOFTMAX: g - exp(y) times the sum of g."""
    b, y = step.builder, step.output
    total = ops.reduce_sum(b, grad, (y.rank - 1,), keep=True)
    return (ops.sub(b, grad, ops.mul(b, ops.exp(b, y), total)),)


def gelu(step: Step, grad: Value) -> Gradients:
    """GELU, x F(x): F(x) + x F'(x); F is the normal distribution or its tanh approximation."""
    b, x = step.builder, step.input(0)
    slope = _gelu_tanh_slope(b, x) if step.op.option("approximate") else _gelu_slope(b, x, step.output)
    return (ops.mul(b, grad, slope),)


def _gelu_slope(b: GraphBuilder, x: Value, y: Value) -> Value:
    """F(x) = y / x, by its series near zero, where the quotient is undefined; F' is the normal density."""
    density = 1.0 / math.sqrt(2.0 * math.pi)
    small = ops.less(b, ops.absolute(b, x), b.scalar(GELU_SERIES_BELOW))
    series = ops.add(b, ops.mul(b, x, b.scalar(density)), b.scalar(0.5))
    safe = ops.select(b, small, b.scalar(1.0), x)
    distribution = ops.select(b, small, series, ops.div(b, y, safe))
    bell = ops.exp(b, ops.mul(b, ops.square(b, x), b.scalar(-0.5)))
    return ops.add(b, distribution, ops.mul(b, ops.mul(b, x, bell), b.scalar(density)))


def _gelu_tanh_slope(b: GraphBuilder, x: Value) -> Value:
    """With u = s (x + c x^3): (1 + tanh u) / 2 + x (1 - tanh^2 u) s (1 + 3 c x^2) / 2."""
    scale, cubic = math.sqrt(2.0 / math.pi), 0.044715
    squared = ops.square(b, x)
    factor = ops.add(b, ops.mul(b, squared, b.scalar(scale * cubic)), b.scalar(scale))
    t = ops.tanh(b, ops.mul(b, x, factor))
    inner = ops.add(b, ops.mul(b, squared, b.scalar(1.5 * scale * cubic)), b.scalar(0.5 * scale))
    bell = ops.sub(b, b.scalar(1.0), ops.square(b, t))
    half = ops.add(b, ops.mul(b, t, b.scalar(0.5)), b.scalar(0.5))
    return ops.add(b, half, ops.mul(b, ops.mul(b, x, bell), inner))
