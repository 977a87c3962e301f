"""An inference graph made ready for training: its logits found and its variables chosen."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.litert.ir import DType, Graph, ModelError, Op

# Inputs of each op that hold weights when they are constants.
WEIGHT_INPUTS = {
    "FULLY_CONNECTED": (1, 2),
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
    "BATCH_MATMUL": (0, 1),
}
# A constant operand of these is a weight too (scale or shift of a normalisation) once it stands behind one.
ELEMENTWISE = ("ADD", "SUB", "MUL", "DIV")


@dataclass(frozen=True, slots=True)
class Network:
    """What the signatures are built from.

    `graph` has one input and one output; `logits` is the tensor the loss is taken on; `weights` are the
    constants that become variables, in the order of their first use.
    """

    graph: Graph
    logits: int
    weights: tuple[int, ...]

    @property
    def outputs(self) -> int:
        """Number of classes or values (K)."""
        tensor = self.graph.tensors[self.logits]
        return tensor.size // tensor.shape[0]

    @property
    def input_dims(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.graph.tensors[self.graph.inputs[0]].shape[1:]

    def trained_tensors(self) -> frozenset[int]:
        """Indices of all tensors that depend on a weight."""
        return dependents(self.graph, self.weights)


def dependents(graph: Graph, roots: tuple[int, ...]) -> frozenset[int]:
    """The roots and every tensor computed from one of them."""
    found = set(roots)
    for op in graph.ops:
        if found.intersection(op.inputs):
            found.update(op.outputs)
    return frozenset(found)


def find_logits(graph: Graph, activation: str) -> int:
    """The output, or what goes into it when the last op is the activation that the loss contains."""
    output = graph.outputs[0]
    last = next((op for op in reversed(graph.ops) if output in op.outputs), None)
    if last is not None and last.kind == activation:
        return last.inputs[0]
    return output


@dataclass(frozen=True, slots=True)
class Scope:
    """Which weights to train: all, those of the last `layers` layers, or those behind a named tensor."""

    layers: int | None = None
    tensor: str | None = None


def choose(graph: Graph, logits: int, scope: Scope) -> Network:
    """The network with the weights in scope; raises `ModelError` when there is nothing to train."""
    output = graph.tensors[logits]
    if not output.shape or not output.size or output.dtype != DType.FLOAT32:
        raise ModelError(
            f"output '{output.name}' is {output.dtype.name} {output.shape}, not float32 [batch, ...]; "
            "give the model a new head (--new-head K)"
        )
    ops = _ops_in_scope(graph, scope)
    weights: list[int] = []
    behind: set[int] = set()
    for op in graph.ops:
        if op in ops:
            found = [i for position, i in enumerate(op.inputs) if _is_weight(graph, op, position, behind)]
            weights.extend(index for index in found if index not in weights)
        if behind.intersection(op.inputs) or set(weights).intersection(op.inputs):
            behind.update(op.outputs)
    used = {index for op in needed_ops(graph, logits) for index in op.inputs}
    if not used.intersection(weights):
        raise ModelError("no float weights to train here; give the model a new head (--new-head K)")
    return Network(graph, logits, tuple(index for index in weights if index in used))


def layers(graph: Graph) -> list[Op]:
    """The ops that hold weights, of any type, in order."""
    return [
        op
        for op in graph.ops
        if any(
            len(op.inputs) > position and op.inputs[position] >= 0 and _is_fixed(graph, op.inputs[position])
            for position in WEIGHT_INPUTS.get(op.kind, ())
        )
    ]


def tensor_named(graph: Graph, name: str) -> int:
    """Index of a computed tensor; raises `ModelError` naming the last few when there is none of that name."""
    computed = [graph.inputs[0], *(index for op in graph.ops for index in op.outputs)]
    for index in computed:
        if graph.tensors[index].name == name:
            return index
    known = ", ".join(f"'{graph.tensors[index].name}'" for index in computed[-5:])
    raise ModelError(f"the model computes no tensor '{name}'; its last ones are {known}")


def needed_ops(graph: Graph, target: int) -> list[Op]:
    """The ops a tensor depends on, in order."""
    wanted, found = {target}, []
    for op in reversed(graph.ops):
        if wanted.intersection(op.outputs):
            wanted.update(op.inputs)
            found.append(op)
    return found[::-1]


def _ops_in_scope(graph: Graph, scope: Scope) -> list[Op]:
    if scope.tensor is not None:
        behind = dependents(graph, (tensor_named(graph, scope.tensor),))
        return [op for op in graph.ops if behind.intersection(op.inputs)]
    if scope.layers is None:
        return list(graph.ops)
    known = layers(graph)
    if not 1 <= scope.layers <= len(known):
        raise ModelError(f"--train-last {scope.layers}: the model has {len(known)} layers with weights")
    return list(graph.ops[graph.ops.index(known[-scope.layers]) :])


def _is_fixed(graph: Graph, index: int) -> bool:
    """Whether a tensor is a constant, or one made float by DEQUANTIZE."""
    if graph.tensors[index].data is not None:
        return True
    makers = [op for op in graph.ops if index in op.outputs and op.kind == "DEQUANTIZE"]
    return any(graph.tensors[op.inputs[0]].data is not None for op in makers)


def _is_weight(graph: Graph, op: Op, position: int, behind: set[int]) -> bool:
    if op.inputs[position] < 0:
        return False
    tensor = graph.tensors[op.inputs[position]]
    if tensor.data is None or tensor.dtype != DType.FLOAT32:
        return False
    if op.kind in ELEMENTWISE:
        return tensor.size > 1 and bool(behind.intersection(op.inputs))
    return position in WEIGHT_INPUTS.get(op.kind, ())
