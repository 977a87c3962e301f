"""Moves bias and activation of a convolution behind the max pool that follows it.

Both are monotone per channel, so they commute with the maximum, to the last bit; done on the smaller image
they cost a fraction, forward and backward.
"""

from __future__ import annotations

from dataclasses import replace

from edge_client.litert.ir import Activation, Graph, Op, Options, Tensor

_MONOTONE = (Activation.NONE, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1)


def pool_first(graph: Graph, trained: frozenset[int]) -> Graph:
    """The same function: CONV, bias, activation, MAX_POOL become CONV, MAX_POOL, bias, activation.

    Only where the kernel is in `trained`: the runtime's own kernel, used for the others, insists on a bias.
    """
    pools = {op.inputs[0]: op for op in graph.ops if op.kind == "MAX_POOL_2D"}
    users: dict[int, int] = {}
    for index in (*graph.outputs, *(index for op in graph.ops for index in op.inputs)):
        users[index] = users.get(index, 0) + 1
    moved = {
        op.outputs[0]: op
        for op in graph.ops
        if op.kind == "CONV_2D"
        and op.inputs[1] in trained
        and len(op.inputs) == 3
        and op.inputs[2] >= 0
        and op.activation in _MONOTONE
        and users[op.outputs[0]] == 1
        and op.outputs[0] in pools
        and pools[op.outputs[0]].activation == Activation.NONE
    }
    tensors, ops = list(graph.tensors), []
    for op in graph.ops:
        if op.outputs[0] in moved:
            plain = Options(op.options.table, {**op.options.values, "fusedActivationFunction": 0})
            ops.append(replace(op, inputs=op.inputs[:2], options=plain))
        elif op.kind == "MAX_POOL_2D" and op.inputs[0] in moved:
            ops.extend(_pool_and_bias(tensors, op, moved[op.inputs[0]]))
        else:
            ops.append(op)
    return replace(graph, tensors=tuple(tensors), ops=tuple(ops))


def _pool_and_bias(tensors: list[Tensor], pool: Op, conv: Op) -> tuple[Op, Op]:
    """The pool into a new tensor, then bias and activation into the pool's old one."""
    output = tensors[pool.outputs[0]]
    tensors.append(replace(output, name=output.name + "/before_bias"))
    pooled = len(tensors) - 1
    options = Options("AddOptions", {"fusedActivationFunction": int(conv.activation)})
    bias = Op("ADD", (pooled, conv.inputs[2]), pool.outputs, options)
    return replace(pool, outputs=(pooled,)), bias
