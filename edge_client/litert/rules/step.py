"""What a differentiation rule is given, and the shape it must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.ir import Array, ModelError, Op


def given(inputs: tuple[Value | None, ...], index: int) -> Value:
    """An input that the op cannot do without; raises `ModelError` when a damaged file leaves it out."""
    value = inputs[index] if index < len(inputs) else None
    if value is None:
        raise ModelError(f"an operation lacks its input {index}")
    return value


@dataclass(frozen=True, slots=True)
class Step:
    """One op of the forward pass, already in the graph under construction.

    `inputs` follow the op's own order (None where one is left out), `constants` their content when it is
    fixed, `saved` is what the op's lowering kept for its rule, `needed[i]` says whether the gradient of input
    i is wanted; a rule returns None for the others.
    """

    builder: GraphBuilder
    op: Op
    inputs: tuple[Value | None, ...]
    output: Value
    needed: tuple[bool, ...]
    constants: tuple[Array | None, ...]
    saved: tuple[Value, ...] = ()

    def input(self, index: int) -> Value:
        """An input that the op cannot do without."""
        return given(self.inputs, index)

    def constant(self, index: int) -> Array:
        """Content of an input that must be fixed (axes, paddings, shapes)."""
        array = self.constants[index]
        if array is None:
            raise ModelError(f"{self.op.kind} with a computed input {index} cannot be trained")
        return array


@dataclass(frozen=True, slots=True)
class Lowered:
    """An op emitted in another way than as itself: its output, and values kept for its rule."""

    output: Value
    saved: tuple[Value, ...] = ()


# Emits an op whose weights are variables: the runtime's own kernels are fast only for constant weights.
Lowering: TypeAlias = Callable[[GraphBuilder, Op, tuple[Value | None, ...]], Lowered]
Gradients: TypeAlias = tuple[Value | None, ...]
# Takes the gradient of the loss by the op's output (after its fused activation was undone).
Rule: TypeAlias = Callable[[Step, Value], Gradients]
