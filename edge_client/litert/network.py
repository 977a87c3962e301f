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
OUTPUT_ACTIVATIONS = {"SOFTMAX": "softmax-cross-entropy", "LOGISTIC": "sigmoid-cross-entropy"}


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


def weight_tensors(graph: Graph) -> tuple[int, ...]:
    """Every float constant that can be trained, in the order of first use."""
    weights: list[int] = []
    behind: set[int] = set()
    for op in graph.ops:
        for position, index in enumerate(op.inputs):
            if index >= 0 and index not in weights and _is_weight(graph, op, position, behind):
                weights.append(index)
        if behind.intersection(op.inputs) or any(index in weights for index in op.inputs):
            behind.update(op.outputs)
    return tuple(weights)


def _is_weight(graph: Graph, op: Op, position: int, behind: set[int]) -> bool:
    tensor = graph.tensors[op.inputs[position]]
    if tensor.data is None or tensor.dtype != DType.FLOAT32:
        return False
    if op.kind in ELEMENTWISE:
        return tensor.size > 1 and bool(behind.intersection(op.inputs))
    return position in WEIGHT_INPUTS.get(op.kind, ())


def all_weights(graph: Graph, logits: int) -> Network:
    """Train everything; raises `ModelError` when there is nothing to train."""
    weights = weight_tensors(graph)
    if not weights:
        raise ModelError("the model has no float weights to train; give it a new head (--new-head K)")
    return Network(graph, logits, weights)
