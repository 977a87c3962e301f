"""The graph a .tflite file holds, as plain frozen values: read, differentiated and written by its neighbours.

Everything here is independent of the flatbuffer schema and of any runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class ModelError(Exception):
    """A .tflite file that cannot be read, trained or run; the message says what, where and the way out."""


class DType(IntEnum):
    """Element types by their number in the TFLite schema."""

    FLOAT32 = 0
    FLOAT16 = 1
    INT32 = 2
    UINT8 = 3
    INT64 = 4
    STRING = 5
    BOOL = 6
    INT16 = 7
    COMPLEX64 = 8
    INT8 = 9
    FLOAT64 = 10
    COMPLEX128 = 11
    UINT64 = 12
    RESOURCE = 13
    VARIANT = 14
    UINT32 = 15
    UINT16 = 16
    INT4 = 17
    BFLOAT16 = 18
    INT2 = 19
    UINT4 = 20
    FLOAT8_E4M3FN = 21
    FLOAT8_E5M2 = 22


NUMPY_DTYPES: Mapping[DType, np.dtype[Any]] = MappingProxyType(
    {
        DType.FLOAT32: np.dtype("<f4"),
        DType.FLOAT16: np.dtype("<f2"),
        DType.INT32: np.dtype("<i4"),
        DType.UINT8: np.dtype("u1"),
        DType.INT64: np.dtype("<i8"),
        DType.BOOL: np.dtype("?"),
        DType.INT16: np.dtype("<i2"),
        DType.INT8: np.dtype("i1"),
        DType.FLOAT64: np.dtype("<f8"),
        DType.UINT64: np.dtype("<u8"),
        DType.UINT32: np.dtype("<u4"),
        DType.UINT16: np.dtype("<u2"),
    }
)


class Activation(IntEnum):
    """Activation fused into an op, by its number in the schema."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3
    TANH = 4
    SIGN_BIT = 5


class Padding(IntEnum):
    """Padding of convolutions and pools, by its number in the schema."""

    SAME = 0
    VALID = 1


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of one subgraph.

    `data` is the little-endian content of a constant, None for a computed value;
    `quantization` is the schema's own object, passed through untouched.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType = DType.FLOAT32
    data: bytes | memoryview | None = None
    quantization: object | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def array(self) -> Array:
        """The content of a constant as a read-only array; raises `ModelError` when it has none that fits."""
        dtype = NUMPY_DTYPES.get(self.dtype)
        if self.data is None or dtype is None or len(self.data) != self.size * dtype.itemsize:
            raise ModelError(f"tensor '{self.name}' has no constant content of its shape and type")
        return np.frombuffer(self.data, dtype).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Options:
    """Options table of an op: its name in the schema (`Conv2DOptions`) and its fields (`strideW`, ...)."""

    table: str
    values: Mapping[str, Any] = field(default_factory=dict)


NO_OPTIONS = Options("NONE")


@dataclass(frozen=True, slots=True)
class Op:
    """One operation. `kind` is the schema's name (`CONV_2D`); -1 stands for an input that is left out."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options = NO_OPTIONS
    version: int = 1
    custom_code: str = ""
    custom_options: bytes = b""

    def option(self, name: str, default: int = 0) -> int:
        """An integer option; `default` when the table does not have it."""
        return int(self.options.values.get(name, default))

    @property
    def activation(self) -> Activation:
        """The fused activation."""
        return Activation(self.option("fusedActivationFunction"))


@dataclass(frozen=True, slots=True)
class Graph:
    """One subgraph: ops in an order that computes every tensor before it is used."""

    name: str
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """A callable of the file: names of the inputs and outputs of one graph, in the graph's order."""

    graph: Graph
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
