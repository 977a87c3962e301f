"""What a differentiation rule is given, and the shape it must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.ir import Array, Op


@dataclass(frozen=True, slots=True)
class Step:
    """One op of the forward pass, already in the graph under construction.

    `inputs` follow the op's own order (None where one is left out), `constants` their content when it is
    fixed, `needed[i]` says whether the gradient of input i is wanted; a rule returns None for the others.
    """

    builder: GraphBuilder
    op: Op
    inputs: tuple[Value | None, ...]
    output: Value
    needed: tuple[bool, ...]
    constants: tuple[Array | None, ...]

    def input(self, index: int) -> Value:
        """An input that the op cannot do without."""
        value = self.inputs[index]
        if value is None:
            raise ValueError(f"{self.op.kind} without input {index}")
        return value

    def constant(self, index: int) -> Array:
        """Content of an input that must be fixed (axes, paddings, shapes)."""
        array = self.constants[index]
        if array is None:
            raise ValueError(f"{self.op.kind} with a computed input {index}")
        return array


Gradients: TypeAlias = tuple[Value | None, ...]
# Takes the gradient of the loss by the op's output (after its fused activation was undone).
Rule: TypeAlias = Callable[[Step, Value], Gradients]
