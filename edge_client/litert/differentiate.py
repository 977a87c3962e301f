"""Reverse-mode differentiation: walks the forward steps backwards and appends gradient ops to the graph."""

from __future__ import annotations

from collections.abc import Sequence

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.rules import RULES
from edge_client.litert.rules.activation import undo_fused
from edge_client.litert.rules.step import Step


def backward(b: GraphBuilder, steps: Sequence[Step], output: Value, seed: Value) -> dict[int, Value]:
    """Gradients by tensor index of everything `output` depends on and a rule was asked for.

    `steps` in forward order; `seed` is the gradient of the loss by `output`.
    """
    gradients = {output.index: seed}
    for step in reversed(steps):
        grad = gradients.get(step.output.index)
        if grad is None or not any(step.needed):
            continue
        before_activation = undo_fused(b, step.op.activation, step.output, grad)
        by_input = RULES[step.op.kind](step, before_activation)
        for value, part in zip(step.inputs, by_input, strict=False):
            if value is None or part is None:
                continue
            known = gradients.get(value.index)
            gradients[value.index] = part if known is None else ops.add(b, known, part)
    return gradients
