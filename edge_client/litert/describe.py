"""What a training graph would train and cost, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import cast

import numpy as np

from edge_client.litert.graph import Labels, TrainingGraph
from edge_client.litert.ir import NUMPY_DTYPES, Graph, Tensor
from edge_client.litert.network import Network
from edge_client.litert.optimizers import Optimizer
from edge_client.litert.signatures import SignatureBuilder

STEPS_WARM, STEPS_TIMED = 3, 9


@dataclass(frozen=True, slots=True)
class Layer:
    """One trainable tensor and the op that uses it."""

    op: str
    name: str
    dims: tuple[int, ...]
    parameters: int


@dataclass(frozen=True, slots=True)
class Description:
    """What would be trained, in manifest order, and what that costs.

    An update is one signed byte a parameter and one exponent a tensor. `memory_bytes` is the largest sum of
    computed tensors alive at once in a training step, plus the variables and the file.
    """

    layers: tuple[Layer, ...]
    batch: int
    parameters: int
    update_bytes: int
    memory_bytes: int
    step_ms: float


def describe(network: Network, graph: TrainingGraph, file_bytes: int) -> Description:
    """Describe a network and the opened file made of it; runs a few steps on zeros to time them."""
    manifest = graph.manifest
    layers = tuple(
        Layer(_user(network.graph, index), spec.name, spec.dims, spec.size)
        for index, spec in zip(network.weights, manifest.tensors, strict=True)
    )
    count = manifest.parameter_count
    train = SignatureBuilder(network, manifest.loss, Optimizer.SGD).train()
    memory = live_bytes(train) + 4 * count + file_bytes
    return Description(layers, manifest.batch, count, count + len(layers), memory, _step_ms(graph))


def _user(graph: Graph, index: int) -> str:
    """Kind of the first op that uses a tensor."""
    return next(op.kind for op in graph.ops if index in op.inputs)


def live_bytes(graph: Graph) -> int:
    """The most bytes of computed tensors that are alive at once."""
    last = {index: at for at, op in enumerate(graph.ops) for index in (*op.inputs, *op.outputs)}
    last.update(dict.fromkeys(graph.outputs, len(graph.ops)))
    alive = most = sum(_bytes(graph.tensors[index]) for index in graph.inputs)
    for at, op in enumerate(graph.ops):
        alive += sum(_bytes(graph.tensors[index]) for index in op.outputs)
        most = max(most, alive)
        ended = {index for index in (*op.inputs, *op.outputs) if index >= 0 and last[index] == at}
        alive -= sum(_bytes(graph.tensors[index]) for index in ended.difference(graph.inputs))
    return most


def _bytes(tensor: Tensor) -> int:
    dtype = NUMPY_DTYPES.get(tensor.dtype)
    return 0 if tensor.data is not None or dtype is None else tensor.size * dtype.itemsize


def _step_ms(graph: TrainingGraph) -> float:
    """Median time of a step; the weights are put back."""
    manifest = graph.manifest
    x = np.zeros((manifest.batch, *manifest.input_dims), np.float32)
    y = cast("Labels", np.zeros(graph.label_shape, graph.label_dtype))
    weight = np.zeros(manifest.batch, np.float32)
    times = []
    for _ in range(STEPS_WARM + STEPS_TIMED):
        start = perf_counter()
        graph.train_step(x, y, weight, 0.0)
        times.append(perf_counter() - start)
    graph.reset_optimizer()
    return float(np.median(times[STEPS_WARM:]) * 1e3)
