"""The project's reference models as inference .tflite bytes, built here and seeded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.ir import Activation, Signature, Tensor
from edge_client.litert.writer import write_model


class _Layers:
    """Layers with fresh weights on top of the graph builder. Batch 1; biases start at zero."""

    def __init__(self, seed: int) -> None:
        self.builder = GraphBuilder("main")
        self._random = np.random.default_rng(seed)
        self._count = 0

    def variable(self, name: str, shape: tuple[int, ...], deviation: float = 0.0) -> Value:
        """A constant that training may change: normal values of the given standard deviation."""
        values = (self._random.standard_normal(shape) * deviation).astype(np.float32)
        return self.builder.tensor(Tensor(name, shape, data=values.tobytes()))

    def name(self, layer: str) -> str:
        """A fresh layer name."""
        self._count += 1
        return f"{layer}_{self._count}"

    def dense(self, x: Value, outputs: int, activation: Activation = Activation.NONE) -> Value:
        """Dense layer: He initialisation before a ReLU, Glorot otherwise."""
        name, inputs = self.name("dense"), x.shape[-1]
        variance = 2.0 / inputs if activation == Activation.RELU else 2.0 / (inputs + outputs)
        weights = self.variable(f"{name}/kernel", (outputs, inputs), variance**0.5)
        bias = self.variable(f"{name}/bias", (outputs,))
        return ops.fully_connected(self.builder, x, weights, bias, activation)

    def finish(self, output: Value) -> bytes:
        """The file; the output gets a softmax."""
        probabilities = ops.softmax(self.builder, output)
        graph = self.builder.build((probabilities,))
        return write_model([Signature(graph, ("x",), ("output",))])


def dense_net(widths: Sequence[int], seed: int) -> bytes:
    """Dense layers with ReLU between and softmax at the end; `widths` go from the inputs to the classes."""
    layers = _Layers(seed)
    x = layers.builder.input("x", (1, widths[0]))
    value = x
    for width in widths[1:-1]:
        value = layers.dense(value, width, Activation.RELU)
    return layers.finish(layers.dense(value, widths[-1]))
