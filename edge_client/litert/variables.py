"""Resource variables: the state of a training graph that lives between calls."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.ir import Array, DType, Op, Options


@dataclass(frozen=True, slots=True)
class Variable:
    """A float32 variable: its name in the file, its shape and its first value."""

    name: str
    initial: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return tuple(self.initial.shape)

    def handle(self, b: GraphBuilder) -> Value:
        """Emit the op that finds the variable."""
        options = Options("VarHandleOptions", {"container": "", "sharedName": self.name})
        return b.op("VAR_HANDLE", (), (), options, DType.RESOURCE)

    def read(self, b: GraphBuilder, handle: Value) -> Value:
        """Emit the op that reads it."""
        return b.op("READ_VARIABLE", (handle,), self.shape, Options("ReadVariableOptions"))

    def assign(self, b: GraphBuilder, handle: Value, value: Value) -> None:
        """Emit the op that writes it."""
        b.append(Op("ASSIGN_VARIABLE", (handle.index, value.index), (), Options("AssignVariableOptions")))


def call_once(b: GraphBuilder, subgraph: int) -> None:
    """Emit the call that runs a subgraph before the first use of the file, whichever signature that is."""
    b.append(Op("CALL_ONCE", (), (), Options("CallOnceOptions", {"initSubgraphIndex": subgraph})))
