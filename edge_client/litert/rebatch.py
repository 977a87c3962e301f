"""Sets the batch of an inference graph, and folds what is constant once the batch is known.

Converters write a fixed batch of 1, or SHAPE arithmetic before each RESHAPE; training needs one fixed batch.
The batch is taken to be the first axis, followed through TRANSPOSE; the tool checks the result by running it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge_client.litert.builder import VALUES_MAX
from edge_client.litert.fold import fold
from edge_client.litert.ir import NUMPY_DTYPES, Array, DType, Graph, ModelError, Op, Options, Tensor

_MASK_OF_FIRST_AXIS = 1


def rebatch(graph: Graph, batch: int) -> Graph:
    """The same network for `batch` samples at a time; raises `ModelError` when that cannot be followed."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError(
            f"the model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, not one each"
        )
    given = graph.tensors[graph.inputs[0]]
    if not given.shape or given.shape[0] < 1 or batch % given.shape[0]:
        raise ModelError(
            f"input '{given.name}' has shape {given.shape}: the first axis must divide the batch"
        )
    return _Rebatch(graph, batch, batch // given.shape[0]).run()


class _Rebatch:
    """One pass over the ops, in order."""

    def __init__(self, graph: Graph, batch: int, factor: int) -> None:
        self._graph = graph
        self._batch = batch
        self._factor = factor
        self._tensors = list(graph.tensors)
        self._ops: list[Op] = []
        self._varying = set(graph.inputs)
        self._scale(graph.inputs[0])

    def run(self) -> Graph:
        """The new graph; tensor indices stay those of the old one, new constants come after them."""
        for op in self._graph.ops:
            if not self._fold(op):
                self._ops.append(self._follow(op))
        return replace(self._graph, tensors=tuple(self._tensors), ops=tuple(self._ops))

    def _scale(self, index: int) -> None:
        """Multiply the first axis of a tensor."""
        tensor = self._tensors[index]
        if not tensor.shape:
            raise ModelError(f"tensor '{tensor.name}' depends on the input but has no batch axis")
        self._set_shape(index, (tensor.shape[0] * self._factor, *tensor.shape[1:]))

    def _set_shape(self, index: int, shape: tuple[int, ...]) -> None:
        tensor = replace(self._tensors[index], shape=shape)
        if tensor.size > VALUES_MAX:
            raise ModelError(
                f"tensor '{tensor.name}' would have shape {shape}: more than {VALUES_MAX} values"
            )
        self._tensors[index] = tensor

    def _fold(self, op: Op) -> bool:
        """Replace the output by a constant if the op's inputs are known now."""
        if len(op.outputs) != 1 or not op.inputs or min(op.inputs) < 0:
            return False
        output = self._tensors[op.outputs[0]]
        if output.dtype not in NUMPY_DTYPES:
            return False
        array = fold(op, [self._tensors[index] for index in op.inputs])
        if array is None:
            return False
        array = np.ascontiguousarray(array, NUMPY_DTYPES[output.dtype])
        self._tensors[op.outputs[0]] = replace(output, shape=tuple(array.shape), data=array.tobytes())
        return True

    def _follow(self, op: Op) -> Op:
        """Shapes of the outputs of an op that depends on the input, and its constants that name the batch."""
        if not self._varying.intersection(op.inputs):
            return op
        self._varying.update(op.outputs)
        if op.kind == "TRANSPOSE":
            order = self._tensors[op.inputs[1]].array().tolist()
            shape = self._tensors[op.inputs[0]].shape
            self._set_shape(op.outputs[0], tuple(shape[axis] for axis in order))
            return op
        for index in op.outputs:
            self._scale(index)
        output = self._tensors[op.outputs[0]]
        if op.kind == "RESHAPE":
            sizes = self._constant(output.name + "/shape", np.array(output.shape, np.int32))
            return replace(op, inputs=(op.inputs[0], sizes), options=Options("ReshapeOptions"))
        if op.kind == "SLICE":
            size = self._tensors[op.inputs[2]].array().copy()
            size[0] = output.shape[0]
            return replace(op, inputs=(*op.inputs[:2], self._constant(output.name + "/size", size)))
        if op.kind == "STRIDED_SLICE":
            masks = {mask: op.option(mask) | _MASK_OF_FIRST_AXIS for mask in ("beginMask", "endMask")}
            return replace(op, options=Options("StridedSliceOptions", {**op.options.values, **masks}))
        return op

    def _constant(self, name: str, array: Array) -> int:
        dtype = DType.INT64 if array.dtype == np.int64 else DType.INT32
        self._tensors.append(Tensor(name, tuple(array.shape), dtype, array.tobytes()))
        return len(self._tensors) - 1
