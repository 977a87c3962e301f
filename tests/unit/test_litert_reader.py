"""Reading models: what was written is read back, and hostile files are refused for the reason they carry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_client.litert.builder import GraphBuilder
from edge_client.litert.ir import DType, Graph, ModelError, Op, Options, Signature, Tensor
from edge_client.litert.reader import read_model
from edge_client.litert.writer import write_model


def model() -> Graph:
    b = GraphBuilder("main")
    x = b.input("x", (1, 4))
    kernel = b.tensor(Tensor("kernel", (3, 4), data=np.arange(12, dtype=np.float32).tobytes()))
    options = Options("FullyConnectedOptions", {"fusedActivationFunction": 1})
    hidden = b.op("FULLY_CONNECTED", (x, kernel, None), (1, 3), options)
    return b.build((b.op("SOFTMAX", (hidden,), (1, 3), Options("SoftmaxOptions", {"beta": 1.0})),))


def written(graph: Graph) -> bytes:
    return write_model([Signature(graph, ("x",) * len(graph.inputs), ("y",) * len(graph.outputs))])


def with_tensor(graph: Graph, index: int, **change: Any) -> Graph:
    tensors = list(graph.tensors)
    tensors[index] = replace(tensors[index], **change)
    return replace(graph, tensors=tuple(tensors))


def with_op(graph: Graph, index: int, **change: Any) -> Graph:
    ops = list(graph.ops)
    ops[index] = replace(ops[index], **change)
    return replace(graph, ops=tuple(ops))


def test_what_was_written_is_read_back() -> None:
    graph = model()
    again = read_model(written(graph))
    assert [tensor.name for tensor in again.tensors] == [tensor.name for tensor in graph.tensors]
    assert [(op.kind, op.inputs, op.outputs) for op in again.ops] == [
        (op.kind, op.inputs, op.outputs) for op in graph.ops
    ]
    assert again.ops[0].activation == 1
    np.testing.assert_array_equal(again.tensors[1].array(), np.arange(12).reshape(3, 4))


def test_the_file_is_the_same_at_every_build() -> None:
    assert written(model()) == written(model())


@pytest.mark.parametrize(
    ("reason", "graph"),
    [
        ("before it is computed", with_op(model(), 0, inputs=(3, 1, -1))),
        ("before it is computed", replace(model(), ops=model().ops[::-1])),
        ("a second time", with_op(model(), 1, outputs=(2,))),
        ("a second time", with_op(model(), 1, outputs=(0,))),
        ("a second time", with_op(model(), 1, outputs=(1,))),
        ("given twice", replace(model(), inputs=(1,))),
        ("never computed", replace(model(), ops=model().ops[:1])),
        ("tensor index 99", with_op(model(), 0, inputs=(99, 1, -1))),
        ("tensor index -1", with_op(model(), 0, outputs=(-1,))),
        ("tensor index 99", replace(model(), outputs=(99,))),
        ("0 inputs", replace(model(), inputs=(), ops=())),
        ("at most", with_tensor(model(), 2, shape=(1 << 20, 1 << 20))),
        ("at most", with_tensor(model(), 2, shape=(-1, 3))),
        ("a list of 9 entries", with_tensor(model(), 2, shape=(1,) * 9)),
        ("48 bytes of content", with_tensor(model(), 1, shape=(3, 5))),
        ("48 bytes of content", with_tensor(model(), 1, dtype=DType.INT8)),
        ("a list of 2000 entries", with_op(model(), 0, inputs=(0,) * 1999)),
    ],
)
def test_hostile_graphs_are_refused(reason: str, graph: Graph) -> None:
    with pytest.raises(ModelError, match=reason):
        read_model(written(graph))


def test_long_option_lists_are_refused_before_they_are_read() -> None:
    b = GraphBuilder("main")
    x = b.input("x", (1, 4))
    options = Options("ReshapeOptions", {"newShape": [1] * 100})
    graph = b.build((b.op("RESHAPE", (x,), (1, 4), options),))
    with pytest.raises(ModelError, match="a list of 100 entries"):
        read_model(written(graph))


@pytest.mark.parametrize(
    "content", [b"", b"TFL3", b"\0" * 64, b"\x08\0\0\0TFL3", b"\xff\xff\xff\x7fTFL3" + b"\0" * 99]
)
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(ModelError):
        read_model(content)


def test_every_truncation_is_refused() -> None:
    data = written(model())
    for end in range(0, len(data) - 1, 7):
        with pytest.raises(ModelError):
            read_model(data[:end])


def test_an_operation_from_the_future_is_named_by_its_number() -> None:
    data = written(model())
    graph = read_model(data)
    assert graph.ops[0] == Op(
        "FULLY_CONNECTED", (0, 1, -1), (2,), graph.ops[0].options, graph.ops[0].version, "", b""
    )
