"""Gradients of element-wise arithmetic; a broadcast input gets the sum over what it was repeated to."""

from __future__ import annotations

from edge_client.litert import ops
from edge_client.litert.builder import Value
from edge_client.litert.rules.step import Gradients, Step


def _pair(step: Step, dx: Value | None, dy: Value | None) -> Gradients:
    """Both gradients in the shapes of their inputs."""
    b = step.builder
    return (
        None if dx is None else ops.sum_to_shape(b, dx, step.input(0).shape),
        None if dy is None else ops.sum_to_shape(b, dy, step.input(1).shape),
    )


def add(step: Step, grad: Value) -> Gradients:
    """ADD."""
    return _pair(step, grad if step.needed[0] else None, grad if step.needed[1] else None)


def sub(step: Step, grad: Value) -> Gradients:
    """SUB."""
    return _pair(
        step, grad if step.needed[0] else None, ops.neg(step.builder, grad) if step.needed[1] else None
    )


def mul(step: Step, grad: Value) -> Gradients:
    """MUL."""
    b, x, y = step.builder, step.input(0), step.input(1)
    dx = ops.mul(b, grad, y) if step.needed[0] else None
    return _pair(step, dx, ops.mul(b, grad, x) if step.needed[1] else None)


def div(step: Step, grad: Value) -> Gradients:
    """DIV: g / y and -g x / y^2."""
    b, x, y = step.builder, step.input(0), step.input(1)
    part = ops.div(b, grad, y)
    dy = ops.neg(b, ops.div(b, ops.mul(b, part, x), y)) if step.needed[1] else None
    return _pair(step, part if step.needed[0] else None, dy)


def squared_difference(step: Step, grad: Value) -> Gradients:
    """SQUARED_DIFFERENCE: twice the difference, and its opposite."""
    b, x, y = step.builder, step.input(0), step.input(1)
    dx = ops.mul(b, ops.mul(b, ops.sub(b, x, y), b.scalar(2.0)), grad)
    return _pair(step, dx if step.needed[0] else None, ops.neg(b, dx) if step.needed[1] else None)


def square(step: Step, grad: Value) -> Gradients:
    """SQUARE: 2 x."""
    b = step.builder
    return (ops.mul(b, grad, ops.mul(b, step.input(0), b.scalar(2.0))),)


def sqrt(step: Step, grad: Value) -> Gradients:
    """SQRT: 1 / (2 y)."""
    b = step.builder
    return (ops.div(b, ops.mul(b, grad, b.scalar(0.5)), step.output),)


def rsqrt(step: Step, grad: Value) -> Gradients:
    """RSQRT: -y^3 / 2."""
    b, y = step.builder, step.output
    cube = ops.mul(b, ops.square(b, y), y)
    return (ops.mul(b, ops.mul(b, grad, cube), b.scalar(-0.5)),)


def neg(step: Step, grad: Value) -> Gradients:
    """NEG."""
    return (ops.neg(step.builder, grad),)
