"""Emits the forward pass of a network into a graph under construction, and records what to differentiate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.ir import DType, Graph, ModelError, Op
from edge_client.litert.network import Network, needed_ops
from edge_client.litert.rules import INPUTS_MIN, LOWERINGS, RULES
from edge_client.litert.rules.step import Step


@dataclass(frozen=True, slots=True)
class Emitted:
    """One op of the network and its values in the new graph."""

    op: Op
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    saved: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """Values by tensor index of the network, and the ops in order."""

    network: Network
    values: dict[int, Value]
    emitted: tuple[Emitted, ...]

    def steps(self, b: GraphBuilder) -> list[Step]:
        """The ops behind a weight, ready for their rules; raises `ModelError` for an op without one."""
        trained = self.network.trained_tensors()
        return [
            _step(b, self.network.graph, item, trained)
            for item in self.emitted
            if trained.intersection(item.op.inputs)
        ]


def emit_forward(
    b: GraphBuilder, network: Network, x: Value, weights: Sequence[Value], target: int
) -> ForwardPass:
    """Emit the ops that tensor `target` needs, with the given values for input and weights."""
    tensors = network.graph.tensors
    values = {network.graph.inputs[0]: x, **dict(zip(network.weights, weights, strict=True))}
    variable = set(network.weights)
    emitted: list[Emitted] = []
    for op in needed_ops(network.graph, target):
        for index in op.inputs:
            if index >= 0 and index not in values:
                values[index] = b.tensor(tensors[index])
        inputs = tuple(None if index < 0 else values[index] for index in op.inputs)
        item = _emit(b, network.graph, op, inputs, lowered=bool(variable.intersection(op.inputs)))
        values.update(zip(op.outputs, item.outputs, strict=True))
        emitted.append(item)
    return ForwardPass(network, values, tuple(emitted))


def _emit(
    b: GraphBuilder, graph: Graph, op: Op, inputs: tuple[Value | None, ...], *, lowered: bool
) -> Emitted:
    """The op in the new graph: lowered when its weights are variables, else as it is."""
    lowering = LOWERINGS.get(op.kind) if lowered else None
    if lowering is not None:
        made = lowering(b, op, inputs)
        expected = graph.tensors[op.outputs[0]]
        if made.output.shape != expected.shape:
            raise ModelError(
                f"{op.kind} computes '{expected.name}' in shape {made.output.shape}, not {expected.shape}"
            )
        return Emitted(op, inputs, (made.output,), made.saved)
    outputs = tuple(b.tensor(graph.tensors[index]) for index in op.outputs)
    moved = tuple(-1 if value is None else value.index for value in inputs)
    b.append(replace(op, inputs=moved, outputs=tuple(value.index for value in outputs)))
    return Emitted(op, inputs, outputs)


def _step(b: GraphBuilder, graph: Graph, item: Emitted, trained: frozenset[int]) -> Step:
    op, output = item.op, item.outputs[0]
    if op.kind not in RULES or len(item.outputs) != 1 or output.dtype != DType.FLOAT32:
        raise ModelError(
            f"{op.kind} computing '{graph.tensors[op.outputs[0]].name}' has no gradient here; "
            "train only what comes behind it (--train-last N or --train-from TENSOR)"
        )
    if len(op.inputs) < INPUTS_MIN.get(op.kind, 1):
        raise ModelError(f"{op.kind} computing '{graph.tensors[op.outputs[0]].name}' lacks inputs")
    needed = tuple(index in trained for index in op.inputs)
    constants = tuple(
        graph.tensors[index].array()
        if index >= 0 and not asked and graph.tensors[index].data is not None
        else None
        for index, asked in zip(op.inputs, needed, strict=True)
    )
    return Step(b, op, item.inputs, output, needed, constants, item.saved)
