"""Graphs to .tflite bytes, through the schema that the LiteRT wheel carries (a board does not need it)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge_client.litert.ir import Graph, Op, Signature, Tensor

DATA_ALIGNMENT = 16
SCHEMA_VERSION = 3
DESCRIPTION = "training graph of built-in ops"
# Opcodes up to this one also have the old one-byte field, which older runtimes read.
DEPRECATED_CODE_MAX = 127


class _AlignedBuffer:
    """Stands in for the schema's BufferT: kernels read constants in vectors, so their bytes are aligned."""

    def __init__(self, data: bytes | memoryview | None) -> None:
        self.data = data

    def Pack(self, builder: Any) -> int:  # noqa: N802 - the schema calls it by this name
        """Write the data vector and the buffer table; returns its offset."""
        vector = None
        if self.data:
            values = np.frombuffer(self.data, np.uint8)
            builder.StartVector(1, len(values), DATA_ALIGNMENT)
            builder.head = builder.Head() - len(values)
            builder.Bytes[builder.Head() : builder.Head() + len(values)] = values.tobytes()
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return int(schema.BufferEnd(builder))


class _Writer:
    """Buffers and opcodes are shared by all graphs of a file: equal content is stored once."""

    def __init__(self) -> None:
        self.buffers: list[_AlignedBuffer] = [_AlignedBuffer(None)]
        self.codes: list[Any] = []
        self._buffer_of: dict[bytes, int] = {}
        self._code_of: dict[tuple[str, str, int], int] = {}

    def buffer(self, data: bytes | memoryview | None) -> int:
        """Index of the buffer with this content; 0 is the empty one."""
        if data is None:
            return 0
        key = hashlib.blake2b(data).digest()
        if key not in self._buffer_of:
            self._buffer_of[key] = len(self.buffers)
            self.buffers.append(_AlignedBuffer(data))
        return self._buffer_of[key]

    def code(self, op: Op) -> int:
        """Index of the operator code."""
        key = (op.kind, op.custom_code, op.version)
        if key not in self._code_of:
            code = schema.OperatorCodeT()
            code.builtinCode = getattr(schema.BuiltinOperator, op.kind)
            code.deprecatedBuiltinCode = min(code.builtinCode, DEPRECATED_CODE_MAX)
            code.version = op.version
            code.customCode = op.custom_code or None
            self._code_of[key] = len(self.codes)
            self.codes.append(code)
        return self._code_of[key]

    def tensor(self, tensor: Tensor) -> Any:
        """The schema's object of one tensor."""
        table = schema.TensorT()
        table.name, table.type, table.buffer = tensor.name, int(tensor.dtype), self.buffer(tensor.data)
        table.shape = np.array(tensor.shape, np.int32)
        table.hasRank = True
        table.quantization = tensor.quantization
        return table

    def op(self, op: Op) -> Any:
        """The schema's object of one operation."""
        table = schema.OperatorT()
        table.opcodeIndex = self.code(op)
        table.inputs, table.outputs = np.array(op.inputs, np.int32), np.array(op.outputs, np.int32)
        if op.custom_options:
            table.customOptions = np.frombuffer(op.custom_options, np.uint8)
        name = op.options.table
        options = None
        if name != "NONE":
            options = getattr(schema, name + "T")()
            for key, value in op.options.values.items():
                setattr(options, key, value)
        if hasattr(schema.BuiltinOptions, name):
            table.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            table.builtinOptions = options
        else:
            table.builtinOptions2Type = getattr(schema.BuiltinOptions2, name)
            table.builtinOptions2 = options
        return table

    def graph(self, graph: Graph) -> Any:
        """The schema's object of one subgraph."""
        table = schema.SubGraphT()
        table.name = graph.name
        table.tensors = [self.tensor(tensor) for tensor in graph.tensors]
        table.operators = [self.op(op) for op in graph.ops]
        table.inputs = np.array(graph.inputs, np.int32)
        table.outputs = np.array(graph.outputs, np.int32)
        return table


def write_model(
    signatures: Sequence[Signature],
    *,
    other_graphs: Sequence[Graph] = (),
    metadata: dict[str, bytes] | None = None,
) -> bytes:
    """The file: one subgraph per signature in order, then graphs that only ops refer to, then metadata."""
    writer = _Writer()
    model = schema.ModelT()
    model.version, model.description = SCHEMA_VERSION, DESCRIPTION
    model.subgraphs = [writer.graph(s.graph) for s in signatures] + [writer.graph(g) for g in other_graphs]
    model.signatureDefs = [_signature_def(index, signature) for index, signature in enumerate(signatures)]
    model.metadata = []
    for name, content in (metadata or {}).items():
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, writer.buffer(content)
        model.metadata.append(entry)
    model.operatorCodes, model.buffers = writer.codes, writer.buffers
    content_bytes = sum(len(buffer.data or b"") for buffer in writer.buffers)
    builder = flatbuffers.Builder(content_bytes + (1 << 16))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _signature_def(index: int, signature: Signature) -> Any:
    table = schema.SignatureDefT()
    table.signatureKey, table.subgraphIndex = signature.graph.name, index
    table.inputs = [
        _tensor_map(*pair) for pair in zip(signature.input_names, signature.graph.inputs, strict=True)
    ]
    table.outputs = [
        _tensor_map(*pair) for pair in zip(signature.output_names, signature.graph.outputs, strict=True)
    ]
    return table


def _tensor_map(name: str, index: int) -> Any:
    table = schema.TensorMapT()
    table.name, table.tensorIndex = name, index
    return table
