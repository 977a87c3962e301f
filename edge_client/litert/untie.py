"""Gives every op its own bias: converters store equal constants once, so fresh zero biases are one tensor.

Kernels stay shared, because a network that uses one matrix twice means it.
"""

from __future__ import annotations

from dataclasses import replace

from edge_client.litert.ir import DType, Graph, Op

KERNEL_RANK_MIN = 2


def untie(graph: Graph) -> Graph:
    """The same function in which no float vector is used by two ops."""
    tensors = list(graph.tensors)
    seen: set[int] = set()

    def own(index: int) -> int:
        tensor = tensors[index] if index >= 0 else None
        if tensor is None or tensor.data is None or tensor.dtype != DType.FLOAT32:
            return index
        if len([dim for dim in tensor.shape if dim != 1]) >= KERNEL_RANK_MIN or index not in seen:
            seen.add(index)
            return index
        tensors.append(tensor)
        return len(tensors) - 1

    def owned(op: Op) -> Op:
        return replace(op, inputs=tuple(own(index) for index in op.inputs))

    ops = tuple(owned(op) for op in graph.ops)
    return replace(graph, tensors=tuple(tensors), ops=ops)
