"""Checks one differentiation rule against float64 central differences of a NumPy forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from hypothesis import settings
from hypothesis import strategies as st

from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.differentiate import backward
from edge_client.litert.ir import Activation, Op, Options, Signature
from edge_client.litert.rules import LOWERINGS
from edge_client.litert.rules.step import Lowered, Step
from edge_client.litert.writer import write_model

TOLERANCE = 1e-4
Forward = Callable[..., np.ndarray]
Arrays = Sequence[np.ndarray]

few = settings(max_examples=15, deadline=None)
upto3 = st.integers(1, 3)
seeds = st.integers(0, 2**32 - 1)
activations = st.sampled_from([a for a in Activation if a != Activation.SIGN_BIT])
clamps = st.sampled_from([Activation.NONE, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1])


class Case:
    """One op under test: its inputs (trained ones first), fixed inputs, options, and its meaning in NumPy."""

    def __init__(
        self,
        kind: str,
        options: Options,
        forward: Forward,
        *trained: np.ndarray,
        fixed: Sequence[np.ndarray] = (),
    ) -> None:
        self.kind, self.options, self.forward = kind, options, forward
        self.trained, self.fixed = trained, fixed
        self.fixed_first = kind == "TRANSPOSE_CONV"

    def check(self, seed: int) -> None:
        exact = [np.array(array, np.float64) for array in self.trained]
        expected = self.forward(*exact)
        weight = np.random.default_rng(seed).standard_normal(expected.shape)
        outputs = self.run(expected.shape, weight.astype(np.float32))
        close(outputs[0], expected)
        for index, gradient in enumerate(outputs[1:]):
            close(gradient, central_difference(self.forward, exact, index, weight))

    def run(self, shape: tuple[int, ...], weight: np.ndarray) -> list[np.ndarray]:
        """Output and gradients of the trained inputs, computed by the runtime."""
        b = GraphBuilder("test")
        given_ = [b.input(f"i{i}", array.shape) for i, array in enumerate(self.trained)]
        seed = b.input("seed", shape)
        fixed = [b.constant(array) for array in self.fixed]
        inputs: tuple[Value | None, ...] = (*fixed, *given_) if self.fixed_first else (*given_, *fixed)
        op = Op(self.kind, (), (), self.options)
        lowering = LOWERINGS.get(self.kind)
        if lowering is None:
            made = Lowered(b.op(self.kind, inputs, shape, self.options))
        else:
            made = lowering(b, op, inputs)
        needed = tuple(value in given_ for value in inputs)
        constants = (*(None for _ in given_), *self.fixed)
        step = Step(b, op, inputs, made.output, needed, constants, made.saved)
        by_index = backward(b, [step], made.output, seed)
        results = [made.output, *(by_index[value.index] for value in given_)]
        return run_graph(b, results, [*self.trained, weight])


def run_graph(b: GraphBuilder, results: Sequence[Value], arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    # A pass through ADD: an output may otherwise be an input, or be asked for twice.
    outputs = [b.op("ADD", (value, b.scalar(0.0)), value.shape, Options("AddOptions")) for value in results]
    names = tuple(f"o{i}" for i in range(len(outputs)))
    graph = b.build(outputs)
    data = write_model([Signature(graph, tuple(f"i{i}" for i in range(len(graph.inputs))), names)])
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    for index, array in zip(graph.inputs, arrays, strict=True):
        interpreter.set_tensor(index, np.asarray(array, np.float32))
    interpreter.invoke()
    return [interpreter.get_tensor(index) for index in graph.outputs]


def central_difference(
    forward: Forward, inputs: list[np.ndarray], which: int, weight: np.ndarray
) -> np.ndarray:
    gradient = np.zeros_like(inputs[which])
    flat, slot = inputs[which].reshape(-1), gradient.reshape(-1)
    for i, value in enumerate(flat.copy()):
        step = 1e-6 * max(1.0, abs(value))
        flat[i] = value + step
        above = (forward(*inputs) * weight).sum()
        flat[i] = value - step
        below = (forward(*inputs) * weight).sum()
        flat[i] = value
        slot[i] = (above - below) / (2 * step)
    return gradient


def close(got: np.ndarray, expected: np.ndarray) -> None:
    assert got.shape == expected.shape
    # Sums that cancel are as exact as their terms, which are about 1 here.
    scale = max(np.abs(expected).max(initial=0.0), 0.1)
    assert np.abs(got - expected).max(initial=0.0) <= TOLERANCE * scale


def normal(seed: int, *shape: int) -> np.ndarray:
    """Values with at least 1e-3 between them and zero, so that no kink lies within a difference."""
    size = math.prod(shape)
    random = np.random.default_rng(seed)
    ladder = (np.arange(size) - size // 2) * 2e-3 + 1e-3 + random.random(size) * 5e-4
    values = ladder + np.sign(ladder) * random.random() * 2
    return random.permutation(values).reshape(shape).astype(np.float32)


def activate(activation: Activation, x: np.ndarray) -> np.ndarray:
    return {
        Activation.NONE: lambda: x,
        Activation.RELU: lambda: np.maximum(x, 0),
        Activation.RELU6: lambda: np.clip(x, 0, 6),
        Activation.RELU_N1_TO_1: lambda: np.clip(x, -1, 1),
        Activation.TANH: lambda: np.tanh(x),
    }[activation]()


def ints(*numbers: object) -> np.ndarray:
    """An int32 constant: axes, paddings, shapes."""
    return np.array(numbers, np.int32)
