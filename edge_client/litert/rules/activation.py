"""Gradients of activations, written from the output wherever that saves keeping the input."""

from __future__ import annotations

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.ir import Activation, DType, ModelError
from edge_client.litert.rules.step import Gradients, Step


def masked(b: GraphBuilder, grad: Value, condition: Value) -> Value:
    """The gradient where the condition holds, zero elsewhere."""
    return ops.mul(b, grad, ops.cast(b, condition, DType.FLOAT32))


def _inside(b: GraphBuilder, grad: Value, output: Value, low: float, high: float) -> Value:
    """The gradient where low < output < high."""
    above = masked(b, grad, ops.greater(b, output, b.scalar(low)))
    return masked(b, above, ops.less(b, output, b.scalar(high)))


def undo_fused(b: GraphBuilder, activation: Activation, output: Value, grad: Value) -> Value:
    """Gradient before a fused activation, from the activated output; raises `ModelError` for SIGN_BIT."""
    if activation == Activation.NONE:
        return grad
    if activation == Activation.RELU:
        return masked(b, grad, ops.greater(b, output, b.scalar(0.0)))
    if activation == Activation.RELU6:
        return _inside(b, grad, output, 0.0, 6.0)
    if activation == Activation.RELU_N1_TO_1:
        return _inside(b, grad, output, -1.0, 1.0)
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


def tanh(step: Step, grad: Value) -> Gradients:
    """TANH: 1 - y^2."""
    return (_through_tanh(step.builder, grad, step.output),)


def logistic(step: Step, grad: Value) -> Gradients:
    """LOGISTIC: y - y^2."""
    b, y = step.builder, step.output
    return (ops.mul(b, grad, ops.sub(b, y, ops.square(b, y))),)
