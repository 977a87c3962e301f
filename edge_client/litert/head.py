"""New ends for a model: a float input before a quantised one, and a fresh dense head on its features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from edge_client.litert.ir import DType, Graph, ModelError, Op, Options, Tensor
from edge_client.litert.network import layers, tensor_named
from edge_client.protocol.manifest import U16_MAX

QUANTISED = (DType.INT8, DType.UINT8, DType.INT16)


@dataclass(frozen=True, slots=True)
class NewHead:
    """A dense head for `outputs` classes or values, seeded, on the feature tensor named `tensor`.

    Without a name: on what goes into the last layer, which the head replaces.
    """

    outputs: int
    tensor: str | None = None
    seed: int = 0


def with_float_input(graph: Graph) -> Graph:
    """A quantised input becomes float32, quantised by the graph; raises `ModelError` for other types."""
    index = graph.inputs[0]
    given = graph.tensors[index]
    if given.dtype == DType.FLOAT32:
        return graph
    if given.dtype not in QUANTISED or given.quantization is None:
        raise ModelError(
            f"input '{given.name}' is {given.dtype.name}; only float32 or quantised inputs can be fed"
        )
    outer = Tensor(given.name + "/float", given.shape)
    quantise = Op("QUANTIZE", (len(graph.tensors),), (index,), Options("QuantizeOptions"))
    return replace(
        graph, tensors=(*graph.tensors, outer), ops=(quantise, *graph.ops), inputs=(len(graph.tensors),)
    )


def with_new_head(graph: Graph, head: NewHead, activation: str) -> Graph:
    """The graph up to the features, then dense and the activation that fits the loss ("" for none)."""
    if not 1 <= head.outputs <= U16_MAX:
        raise ModelError(f"--new-head {head.outputs}: 1 to {U16_MAX} outputs")
    feature = _feature(graph, head.tensor)
    return _Extension(graph, feature).finish(head, activation)


def _feature(graph: Graph, name: str | None) -> int:
    if name is not None:
        return tensor_named(graph, name)
    known = layers(graph)
    if not known:
        raise ModelError("the model has no layer to replace; name its feature tensor (--train-from TENSOR)")
    computed = [index for index in known[-1].inputs if index >= 0 and graph.tensors[index].data is None]
    return computed[0]


class _Extension:
    """Appends ops behind one tensor of a graph."""

    def __init__(self, graph: Graph, tip: int) -> None:
        self._graph = graph
        self._tensors = list(graph.tensors)
        self._ops = list(graph.ops)
        self._tip = tip

    def finish(self, head: NewHead, activation: str) -> Graph:
        """Features [n, ...] as float [n, f], then the head."""
        shape = self._tensors[self._tip].shape
        if self._tensors[self._tip].dtype != DType.FLOAT32:
            self._append("DEQUANTIZE", shape, Options("DequantizeOptions"))
        if len(shape) < 1 or shape[0] < 1:
            raise ModelError(f"feature tensor '{self._tensors[self._tip].name}' has shape {shape}, no batch")
        n, width = shape[0], prod(shape[1:])
        if len(shape) != 2:
            sizes = self._constant("head/shape", np.array((n, width), np.int32))
            self._append("RESHAPE", (n, width), Options("ReshapeOptions"), sizes)
        deviation = (2.0 / (width + head.outputs)) ** 0.5
        values = np.random.default_rng(head.seed).standard_normal((head.outputs, width)) * deviation
        kernel = self._constant("head/kernel", values.astype(np.float32))
        bias = self._constant("head/bias", np.zeros(head.outputs, np.float32))
        self._append("FULLY_CONNECTED", (n, head.outputs), Options("FullyConnectedOptions"), kernel, bias)
        if activation:
            options = Options("SoftmaxOptions", {"beta": 1.0}) if activation == "SOFTMAX" else Options("NONE")
            self._append(activation, (n, head.outputs), options)
        return replace(self._graph, tensors=tuple(self._tensors), ops=tuple(self._ops), outputs=(self._tip,))

    def _append(self, kind: str, shape: tuple[int, ...], options: Options, *others: int) -> None:
        self._tensors.append(Tensor(f"head/{kind.lower()}", shape))
        self._ops.append(Op(kind, (self._tip, *others), (len(self._tensors) - 1,), options))
        self._tip = len(self._tensors) - 1

    def _constant(self, name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> int:
        dtype = DType.INT32 if array.dtype == np.int32 else DType.FLOAT32
        self._tensors.append(Tensor(name, tuple(array.shape), dtype, array.tobytes()))
        return len(self._tensors) - 1
