"""Update rules: how gradients and a learning rate change the variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.variables import Variable

MOMENTUM = 0.9
ADAM_BETA_1 = 0.9
ADAM_BETA_2 = 0.999
ADAM_EPSILON = 1e-8


class Optimizer(str, Enum):
    """The update rules on offer, by their name on the command line."""

    SGD = "sgd"
    MOMENTUM = "momentum"
    ADAM = "adam"

    @property
    def scales_gradient(self) -> bool:
        """Whether gradients come multiplied by the learning rate: cheapest on the small output gradient."""
        return self != Optimizer.ADAM


@dataclass(frozen=True, slots=True)
class Values:
    """Weights and optimiser state, each in the order of its variables."""

    weights: tuple[Value, ...]
    state: tuple[Value, ...]


def state_variables(optimizer: Optimizer, weights: Sequence[Variable]) -> tuple[Variable, ...]:
    """The optimiser's own variables: none, one or two per weight (Adam: also the two powers of its betas)."""
    zeros = [np.zeros(weight.shape, np.float32) for weight in weights]
    if optimizer == Optimizer.SGD:
        return ()
    momenta = tuple(Variable(f"m{i:03}", zero) for i, zero in enumerate(zeros))
    if optimizer == Optimizer.MOMENTUM:
        return momenta
    squares = tuple(Variable(f"v{i:03}", zero) for i, zero in enumerate(zeros))
    powers = tuple(Variable(f"power{i}", np.ones((1,), np.float32)) for i in (1, 2))
    return (*momenta, *squares, *powers)


def update(
    b: GraphBuilder, optimizer: Optimizer, old: Values, gradients: Sequence[Value], rate: Value
) -> Values:
    """One step. `gradients` are scaled by the rate [rank 0] already if `optimizer.scales_gradient`."""
    if optimizer == Optimizer.SGD:
        return Values(tuple(ops.sub(b, w, g) for w, g in zip(old.weights, gradients, strict=True)), ())
    if optimizer == Optimizer.MOMENTUM:
        momenta = tuple(_decay(b, m, g, MOMENTUM) for m, g in zip(old.state, gradients, strict=True))
        return Values(tuple(ops.sub(b, w, m) for w, m in zip(old.weights, momenta, strict=True)), momenta)
    return _adam(b, old, gradients, rate)


def _decay(b: GraphBuilder, old: Value, new: Value, keep: float) -> Value:
    """keep * old + new."""
    return ops.add(b, ops.mul(b, old, b.scalar(keep)), new)


def _adam(b: GraphBuilder, old: Values, gradients: Sequence[Value], rate: Value) -> Values:
    """Kingma and Ba 2015, algorithm 1, with the bias correction moved into the rate (their section 2)."""
    count = len(gradients)
    power_1 = ops.mul(b, old.state[-2], b.scalar(ADAM_BETA_1))
    power_2 = ops.mul(b, old.state[-1], b.scalar(ADAM_BETA_2))
    root = ops.sqrt(b, ops.sub(b, b.scalar(1.0), power_2))
    step = ops.div(b, ops.mul(b, rate, root), ops.sub(b, b.scalar(1.0), power_1))
    epsilon = ops.mul(b, root, b.scalar(ADAM_EPSILON))
    weights, momenta, squares = [], [], []
    for i, (weight, gradient) in enumerate(zip(old.weights, gradients, strict=True)):
        part = ops.mul(b, gradient, b.scalar(1.0 - ADAM_BETA_1))
        momenta.append(_decay(b, old.state[i], part, ADAM_BETA_1))
        part = ops.mul(b, ops.square(b, gradient), b.scalar(1.0 - ADAM_BETA_2))
        squares.append(_decay(b, old.state[count + i], part, ADAM_BETA_2))
        scaled = ops.div(b, momenta[i], ops.add(b, ops.sqrt(b, squares[i]), epsilon))
        weights.append(ops.sub(b, weight, ops.mul(b, scaled, step)))
    return Values(tuple(weights), (*momenta, *squares, power_1, power_2))
