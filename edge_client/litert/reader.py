"""Bytes of a .tflite file to a `Graph`, trusting nothing: every count, index, shape and buffer is checked.

Needs the schema of the LiteRT wheel. Only the tool that makes training graphs reads models.
"""

from __future__ import annotations

import struct
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge_client.litert.builder import VALUES_MAX
from edge_client.litert.ir import NUMPY_DTYPES, DType, Graph, ModelError, Op, Options, Tensor

FILE_IDENTIFIER = b"TFL3"
TENSORS_MAX = 1 << 16
OPS_MAX = 1 << 16
OPERANDS_MAX = 1 << 10
OPTION_VALUES_MAX = 1 << 6
RANK_MAX = 8
# The schema's generated accessors check nothing: on damaged offsets they raise any of these.
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError, KeyError)


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_KINDS = _names(schema.BuiltinOperator)
_TABLES = _names(schema.BuiltinOptions)
_TABLES_2 = _names(schema.BuiltinOptions2)


def read_model(data: bytes) -> Graph:
    """The primary subgraph of the file; raises `ModelError` with the reason when it cannot be trusted."""
    if data[4:8] != FILE_IDENTIFIER:
        raise ModelError("not a .tflite file (no TFL3 mark at byte 4)")
    try:
        graph = _Reader(data).graph()
    except _DAMAGE as error:
        raise ModelError(f"damaged .tflite file ({type(error).__name__}: {error})") from error
    check_order(graph)
    return graph


def check_order(graph: Graph) -> None:
    """Refuse graphs that use a tensor before it is computed or compute one twice; raises `ModelError`."""
    ready = [tensor.data is not None for tensor in graph.tensors]
    for index in graph.inputs:
        if ready[index]:
            raise ModelError(f"tensor '{graph.tensors[index].name}' is given twice")
        ready[index] = True
    for op in graph.ops:
        for index in op.inputs:
            if index >= 0 and not ready[index]:
                raise ModelError(f"{op.kind} uses tensor '{graph.tensors[index].name}' before it is computed")
        for index in op.outputs:
            if ready[index]:
                raise ModelError(f"{op.kind} computes tensor '{graph.tensors[index].name}' a second time")
            ready[index] = True
    for index in graph.outputs:
        if not ready[index]:
            raise ModelError(f"output tensor '{graph.tensors[index].name}' is never computed")


class _Reader:
    """Walks one file."""

    def __init__(self, data: bytes) -> None:
        self._view = memoryview(data)
        self._model = schema.Model.GetRootAs(data, 0)

    def graph(self) -> Graph:
        """Subgraph 0."""
        if self._model.SubgraphsLength() < 1:
            raise ModelError("the file holds no graph")
        table = self._model.Subgraphs(0)
        tensors = tuple(
            self._tensor(table.Tensors(i)) for i in range(_count(table.TensorsLength(), TENSORS_MAX))
        )
        ops = tuple(self._op(table.Operators(i)) for i in range(_count(table.OperatorsLength(), OPS_MAX)))
        graph = Graph(
            "main",
            tensors,
            ops,
            _indices(table.InputsAsNumpy(), table.InputsLength()),
            _indices(table.OutputsAsNumpy(), table.OutputsLength()),
        )
        for op in ops:
            _check_range(op.inputs, -1, len(tensors))
            _check_range(op.outputs, 0, len(tensors))
        _check_range(graph.inputs + graph.outputs, 0, len(tensors))
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise ModelError(
                f"the model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, not one each"
            )
        return graph

    def _tensor(self, table: Any) -> Tensor:
        name = (table.Name() or b"").decode("utf-8", "replace")
        rank = _count(table.ShapeLength(), RANK_MAX)
        shape = tuple(table.Shape(i) for i in range(rank))
        dtype = DType(table.Type())
        if any(dim < 0 for dim in shape) or prod(shape) > VALUES_MAX:
            raise ModelError(f"tensor '{name}' has shape {shape}: at most {VALUES_MAX} values")
        if table.IsVariable() or table.Sparsity() is not None:
            raise ModelError(f"tensor '{name}' is a state variable or sparse, which cannot be read")
        data = self._buffer(table.Buffer())
        known = NUMPY_DTYPES.get(dtype)
        if data is not None and known is not None and len(data) != prod(shape) * known.itemsize:
            raise ModelError(f"tensor '{name}' has {len(data)} bytes of content, not those of shape {shape}")
        quantization = table.Quantization()
        details = None
        if quantization is not None:
            for length in (quantization.ScaleLength(), quantization.ZeroPointLength()):
                _count(length, max((1, *shape)))
            _count(quantization.MinLength() + quantization.MaxLength(), 2 * max((1, *shape)))
            details = schema.QuantizationParametersT.InitFromObj(quantization)
        return Tensor(name, shape, dtype, data, details)

    def _buffer(self, index: int) -> memoryview | None:
        if index >= self._model.BuffersLength():
            raise ModelError(f"buffer {index} of {self._model.BuffersLength()}")
        table = self._model.Buffers(index)
        if table.Offset() > 1:
            raise ModelError("weights stored outside the flatbuffer are not supported")
        content = table.DataAsNumpy()
        return memoryview(content.data) if isinstance(content, np.ndarray) and len(content) else None

    def _op(self, table: Any) -> Op:
        if table.OpcodeIndex() >= self._model.OperatorCodesLength():
            raise ModelError(f"operator code {table.OpcodeIndex()} of {self._model.OperatorCodesLength()}")
        code = self._model.OperatorCodes(table.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if number not in _KINDS:
            raise ModelError(f"unknown operation number {number}")
        _count(table.InputsLength() + table.OutputsLength(), OPERANDS_MAX)
        custom = table.CustomOptionsAsNumpy()
        return Op(
            _KINDS[number],
            _indices(table.InputsAsNumpy(), table.InputsLength()),
            _indices(table.OutputsAsNumpy(), table.OutputsLength()),
            _options(table),
            code.Version(),
            (code.CustomCode() or b"").decode("utf-8", "replace"),
            custom.tobytes() if isinstance(custom, np.ndarray) else b"",
        )


def _options(table: Any) -> Options:
    """The options table of an op, read by the schema's own class after its vectors were bounded."""
    name, union = _TABLES[table.BuiltinOptionsType()], table.BuiltinOptions()
    if name == "NONE":
        name, union = _TABLES_2[table.BuiltinOptions2Type()], table.BuiltinOptions2()
    if name == "NONE" or union is None:
        return Options("NONE")
    accessor = getattr(schema, name)()
    accessor.Init(union.Bytes, union.Pos)
    for attribute in dir(accessor):
        if attribute.endswith("Length"):
            _count(getattr(accessor, attribute)(), OPTION_VALUES_MAX)
    return Options(name, dict(vars(getattr(schema, name + "T").InitFromObj(accessor))))


def _indices(values: Any, length: int) -> tuple[int, ...]:
    return tuple(int(value) for value in values) if length else ()


def _check_range(indices: tuple[int, ...], low: int, high: int) -> None:
    for index in indices:
        if not low <= index < high:
            raise ModelError(f"tensor index {index} of {high}")


def _count(count: int, count_max: int) -> int:
    if not 0 <= count <= count_max:
        raise ModelError(f"a list of {count} entries, at most {count_max}")
    return count
