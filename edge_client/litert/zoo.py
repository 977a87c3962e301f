"""The project's reference models as inference .tflite bytes, built here and seeded: same seed, same bytes.

They are ordinary inference files: `trainable` treats them like any other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.geometry import Window
from edge_client.litert.ir import Activation, Op, Options, Padding, Signature, Tensor
from edge_client.litert.writer import write_model

Pair = tuple[int, int]


class _Layers:
    """Layers with fresh weights on top of the graph builder. Batch 1; biases start at zero."""

    def __init__(self, seed: int) -> None:
        self.builder = GraphBuilder("main")
        self._random = np.random.default_rng(seed)
        self._count = 0

    def input(self, *shape: int) -> Value:
        """The model's input, without the batch."""
        return self.builder.input("x", (1, *shape))

    def dense(self, x: Value, outputs: int, activation: Activation = Activation.NONE) -> Value:
        """Dense layer on [1, inputs]."""
        weights, bias = self._weights("dense", (outputs, x.shape[-1]), x.shape[-1], activation)
        return ops.fully_connected(self.builder, x, weights, bias, activation)

    def conv(
        self, x: Value, outputs: int, kernel: Pair, stride: int = 1, activation: Activation = Activation.RELU
    ) -> Value:
        """Convolution with SAME padding."""
        channels = x.shape[3]
        fan_in = kernel[0] * kernel[1] * channels
        weights, bias = self._weights("conv", (outputs, *kernel, channels), fan_in, activation)
        return self._windowed("CONV_2D", (x, weights, bias), outputs, stride, activation)

    def depthwise(self, x: Value, kernel: Pair = (3, 3), stride: int = 1) -> Value:
        """Depthwise convolution with SAME padding and ReLU."""
        relu, channels = Activation.RELU, x.shape[3]
        weights, _ = self._weights("depthwise", (1, *kernel, channels), kernel[0] * kernel[1], relu)
        bias = self._variable(f"depthwise_{self._count}/bias", (channels,))
        return self._windowed("DEPTHWISE_CONV_2D", (x, weights, bias), channels, stride, relu)

    def max_pool(self, x: Value, size: Pair = (2, 2)) -> Value:
        """Maximum over windows that do not overlap."""
        values = {"strideH": size[0], "strideW": size[1], "filterHeight": size[0], "filterWidth": size[1]}
        options = Options("Pool2DOptions", {"padding": int(Padding.VALID), **values})
        n, height, width, channels = x.shape
        shape = (n, height // size[0], width // size[1], channels)
        return self.builder.op("MAX_POOL_2D", (x,), shape, options)

    def mean(self, x: Value) -> Value:
        """Mean over height and width."""
        axes = self.builder.ints((1, 2))
        return self.builder.op(
            "MEAN", (x, axes), (1, x.shape[3]), Options("ReducerOptions", {"keepDims": False})
        )

    def flatten(self, x: Value) -> Value:
        """[1, values]."""
        return ops.reshape(self.builder, x, (1, x.size))

    def finish(self, output: Value) -> bytes:
        """The file; the output gets a softmax."""
        graph = self.builder.build((ops.softmax(self.builder, output),))
        return write_model([Signature(graph, ("x",), ("output",))])

    def _weights(
        self, layer: str, shape: tuple[int, ...], fan_in: int, activation: Activation
    ) -> tuple[Value, Value]:
        """Kernel and bias: He initialisation before a ReLU, Glorot otherwise."""
        self._count += 1
        name, outputs = f"{layer}_{self._count}", shape[0]
        variance = 2.0 / fan_in if activation == Activation.RELU else 2.0 / (fan_in + outputs)
        return self._variable(f"{name}/kernel", shape, variance**0.5), self._variable(
            f"{name}/bias", (outputs,)
        )

    def _variable(self, name: str, shape: tuple[int, ...], deviation: float = 0.0) -> Value:
        """A constant that training may change: normal values of the given standard deviation."""
        values = (self._random.standard_normal(shape) * deviation).astype(np.float32)
        return self.builder.tensor(Tensor(name, shape, data=values.tobytes()))

    def _windowed(
        self, kind: str, inputs: tuple[Value, Value, Value], outputs: int, stride: int, activation: Activation
    ) -> Value:
        x, kernel, _ = inputs
        table = "Conv2DOptions" if kind == "CONV_2D" else "DepthwiseConv2DOptions"
        strides = {"strideH": stride, "strideW": stride, "dilationHFactor": 1, "dilationWFactor": 1}
        values = {"padding": int(Padding.SAME), "fusedActivationFunction": int(activation), **strides}
        if kind == "DEPTHWISE_CONV_2D":
            values["depthMultiplier"] = 1
        options = Options(table, values)
        window = Window.of(
            Op(kind, (), (), options), x.shape[1], x.shape[2], (kernel.shape[1], kernel.shape[2])
        )
        shape = (x.shape[0], window.rows.outputs, window.columns.outputs, outputs)
        return self.builder.op(kind, inputs, shape, options)


def dense_net(widths: Sequence[int], seed: int) -> bytes:
    """Dense layers with ReLU between and softmax at the end; `widths` go from the inputs to the classes."""
    layers = _Layers(seed)
    value = layers.input(widths[0])
    for width in widths[1:-1]:
        value = layers.dense(value, width, Activation.RELU)
    return layers.finish(layers.dense(value, widths[-1]))


def two_nn(seed: int) -> bytes:
    """The 2NN of McMahan et al. 2017 for 28x28 images as 784 values: 199,210 parameters."""
    return dense_net((784, 200, 200, 10), seed)


def mcmahan_cnn(seed: int) -> bytes:
    """The CNN of McMahan et al. 2017: 5x5 convolutions (32, 64), pools, 512 units; 1,663,370 parameters."""
    layers = _Layers(seed)
    value = layers.max_pool(layers.conv(layers.input(28, 28, 1), 32, (5, 5)))
    value = layers.max_pool(layers.conv(value, 64, (5, 5)))
    value = layers.dense(layers.flatten(value), 512, Activation.RELU)
    return layers.finish(layers.dense(value, 10))


def small_cnn(seed: int) -> bytes:
    """Convolution 3x3x8, pool, convolution 3x3x16, pool, dense, for 28x28 images: 9,098 parameters."""
    layers = _Layers(seed)
    value = layers.max_pool(layers.conv(layers.input(28, 28, 1), 8, (3, 3)))
    value = layers.max_pool(layers.conv(value, 16, (3, 3)))
    return layers.finish(layers.dense(layers.flatten(value), 10))


def sensor_net(seed: int) -> bytes:
    """1-D convolutions over a window of 128 readings of 6 channels (a phone's motion sensors), 6 classes."""
    layers = _Layers(seed)
    value = layers.conv(layers.input(1, 128, 6), 16, (1, 5))
    value = layers.max_pool(value, (1, 2))
    value = layers.max_pool(layers.conv(value, 32, (1, 5)), (1, 2))
    return layers.finish(layers.dense(layers.mean(value), 6))


def keyword_net(seed: int) -> bytes:
    """Depthwise-separable net of the keyword-spotting kind: 49x10 MFCC frames, 4 blocks of 64, 12 words."""
    layers = _Layers(seed)
    value = layers.conv(layers.input(49, 10, 1), 64, (10, 4), 2)
    for _ in range(4):
        value = layers.conv(layers.depthwise(value), 64, (1, 1))
    return layers.finish(layers.dense(layers.mean(value), 12))


def residual_net(seed: int) -> bytes:
    """A net like ResNet-18 (11.7M parameters): 32x32x3 images, norms folded, 1,000 classes."""
    layers = _Layers(seed)
    value = layers.conv(layers.input(32, 32, 3), 64, (3, 3))
    for channels, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        value = _residual_block(layers, value, channels, stride)
    return layers.finish(layers.dense(layers.mean(value), 1000))


def _residual_block(layers: _Layers, x: Value, channels: int, stride: int) -> Value:
    inner = layers.conv(x, channels, (3, 3), stride)
    inner = layers.conv(inner, channels, (3, 3), activation=Activation.NONE)
    if x.shape != inner.shape:
        x = layers.conv(x, channels, (1, 1), stride, Activation.NONE)
    return ops.add(layers.builder, inner, x, Activation.RELU)
