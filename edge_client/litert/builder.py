"""Writes one graph op by op; every value knows its shape and type, so rules never guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from edge_client.litert.ir import (
    NO_OPTIONS,
    NUMPY_DTYPES,
    Array,
    DType,
    Graph,
    ModelError,
    Op,
    Options,
    Tensor,
)

VALUES_MAX = 1 << 28


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the graph being built. `constant` when its content is in the file."""

    index: int
    shape: tuple[int, ...]
    dtype: DType = DType.FLOAT32
    constant: bool = False

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)


class GraphBuilder:
    """Collects tensors and ops of one subgraph; `build` freezes them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._tensors: list[Tensor] = []
        self._ops: list[Op] = []
        self._inputs: list[int] = []
        self._constants: dict[tuple[DType, tuple[int, ...], bytes], Value] = {}

    def input(self, name: str, shape: tuple[int, ...], dtype: DType = DType.FLOAT32) -> Value:
        """A value given by the caller of the signature."""
        value = self.tensor(Tensor(name, shape, dtype))
        self._inputs.append(value.index)
        return value

    def tensor(self, tensor: Tensor) -> Value:
        """Add a tensor as it is; refuses sizes that no board could hold, before anything is allocated."""
        if tensor.size > VALUES_MAX or any(dim < 0 for dim in tensor.shape):
            raise ModelError(
                f"tensor '{tensor.name}' has shape {tensor.shape}: more than {VALUES_MAX} values"
            )
        self._tensors.append(tensor)
        return Value(len(self._tensors) - 1, tensor.shape, tensor.dtype, tensor.data is not None)

    def constant(self, array: Array) -> Value:
        """A constant; equal small constants are stored once."""
        dtype = next(kind for kind, known in NUMPY_DTYPES.items() if known == array.dtype)
        shape, data = tuple(array.shape), np.ascontiguousarray(array).tobytes()
        key = (dtype, shape, data)
        if key not in self._constants:
            name = f"{self.name}/const{len(self._tensors)}"
            self._constants[key] = self.tensor(Tensor(name, shape, dtype, data))
        return self._constants[key]

    def content(self, value: Value) -> Array:
        """What a constant of this graph holds; raises `ModelError` for a computed value."""
        return self._tensors[value.index].array()

    def scalar(self, number: float) -> Value:
        """A float32 constant of rank 0."""
        return self.constant(np.array(number, np.float32))

    def ints(self, numbers: Sequence[int]) -> Value:
        """An int32 constant of rank 1: axes, paddings, shapes."""
        return self.constant(np.array(numbers, np.int32))

    def op(
        self,
        kind: str,
        inputs: Sequence[Value | None],
        shape: tuple[int, ...],
        options: Options = NO_OPTIONS,
        dtype: DType = DType.FLOAT32,
    ) -> Value:
        """Append an op with one output of the given shape and type."""
        output = self.tensor(Tensor(f"{self.name}/{kind.lower()}{len(self._ops)}", shape, dtype))
        indices = tuple(-1 if value is None else value.index for value in inputs)
        self.append(Op(kind, indices, (output.index,), options))
        return output

    def append(self, op: Op) -> None:
        """Append an op whose tensors are there already (also one without outputs)."""
        self._ops.append(op)

    def build(self, outputs: Sequence[Value]) -> Graph:
        """The finished graph."""
        return Graph(
            self.name,
            tuple(self._tensors),
            tuple(self._ops),
            tuple(self._inputs),
            tuple(value.index for value in outputs),
        )
