"""Sets the batch of an inference graph, and folds what is constant once the batch is known.

Converters write a fixed batch of 1, or SHAPE arithmetic before each RESHAPE; training needs one fixed batch.
The batch is taken to be the first axis, followed through TRANSPOSE; the tool checks the result by running it.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from edge_client.litert.builder import VALUES_MAX
from edge_client.litert.fold import fold, slice_index
from edge_client.litert.ir import NUMPY_DTYPES, Array, DType, Graph, ModelError, Op, Options, Tensor
from edge_client.litert.shapes import output_shape

_FIRST_AXIS = 1
SMALL_VALUES_MAX = 1 << 10
SHAPED_HERE = ("RESHAPE", "SLICE")
REDUCTIONS = ("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD")


def rebatch(graph: Graph, batch: int) -> Graph:
    """The same network for `batch` samples at a time; raises `ModelError` when that cannot be followed."""
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
        array = np.array(array, NUMPY_DTYPES[output.dtype])
        self._tensors[op.outputs[0]] = replace(output, shape=tuple(array.shape), data=array.tobytes())
        return True

    def _follow(self, op: Op) -> Op:
        """Shapes of the outputs of an op that depends on the input, and its constants that name the batch."""
        if not self._varying.intersection(op.inputs):
            return op
        self._varying.update(op.outputs)
        self._refuse_batch_reduction(op)
        op = self._with_batch(op)
        given = [self._tensors[index] for index in op.inputs if index >= 0]
        constants = [tensor.array() if _is_small_integer(tensor) else None for tensor in given]
        shape = output_shape(op, [tensor.shape for tensor in given], constants)
        if shape is not None and len(op.outputs) == 1:
            self._set_shape(op.outputs[0], shape)
        elif op.kind not in SHAPED_HERE:
            for index in op.outputs:
                self._scale(index)
        return op

    def _refuse_batch_reduction(self, op: Op) -> None:
        """A sum over the first axis is the sign of a batch of 1 that stands at another axis."""
        if op.kind not in REDUCTIONS or self._factor == 1 or self._tensors[op.inputs[1]].data is None:
            return
        x = self._tensors[op.inputs[0]]
        axes = self._tensors[op.inputs[1]].array().ravel().tolist()
        if any(axis in (0, -len(x.shape)) for axis in axes):
            raise ModelError(
                f"{op.kind} of '{x.name}' is over the batch: convert the model with a batch of {self._batch}"
            )

    def _with_batch(self, op: Op) -> Op:
        """The op with the batch in the constants that name it."""
        if op.kind == "RESHAPE":
            return self._reshape(op)
        if op.kind == "SLICE":
            return self._slice(op)
        if op.kind == "STRIDED_SLICE":
            return self._strided_slice(op)
        if op.kind == "TRANSPOSE_CONV" and self._tensors[op.inputs[0]].data is not None:
            sizes = self._tensors[op.inputs[0]].array().copy()
            sizes[0] = self._tensors[op.inputs[2]].shape[0]
            return replace(op, inputs=(self._constant("transpose_conv/shape", sizes), *op.inputs[1:]))
        return op

    def _reshape(self, op: Op) -> Op:
        """One free (-1) or leading dimension takes up the batch."""
        x, output = self._tensors[op.inputs[0]], self._tensors[op.outputs[0]]
        if len(op.inputs) > 1 and self._tensors[op.inputs[1]].data is not None:
            wanted = [int(size) for size in self._tensors[op.inputs[1]].array().ravel()]
        else:
            wanted = [int(size) for size in op.options.values.get("newShape", output.shape)]
        free = wanted.index(-1) if -1 in wanted else 0
        if wanted and prod(wanted) != x.size:
            others = prod(size for axis, size in enumerate(wanted) if axis != free)
            wanted[free] = x.size // others if others > 0 else 0
        shape = tuple(wanted)
        if prod(shape) != x.size or min(shape, default=0) < 0:
            raise ModelError(f"RESHAPE of '{x.name}', {x.shape}, to {shape} does not keep its values")
        self._set_shape(op.outputs[0], shape)
        sizes = self._constant(output.name + "/shape", np.array(shape, np.int32))
        return replace(op, inputs=(op.inputs[0], sizes), options=Options("ReshapeOptions"))

    def _strided_slice(self, op: Op) -> Op:
        """Everything along the first axis, which is the batch."""
        index = slice_index(op, *(self._tensors[i].array() for i in op.inputs[1:]))
        old = self._graph.tensors[op.inputs[0]].shape[:1]
        first = index[0] if index else slice(None)
        if not old or not isinstance(first, slice) or first.indices(old[0]) != (0, old[0], 1):
            name = self._tensors[op.outputs[0]].name
            raise ModelError(f"STRIDED_SLICE computing '{name}' does not take the whole batch")
        masks = {mask: op.option(mask) | _FIRST_AXIS for mask in ("beginMask", "endMask")}
        return replace(op, options=Options("StridedSliceOptions", {**op.options.values, **masks}))

    def _slice(self, op: Op) -> Op:
        """Everything along the first axis, which is the batch."""
        x, output = self._tensors[op.inputs[0]], self._tensors[op.outputs[0]]
        begin, size = (self._tensors[index].array() for index in op.inputs[1:])
        if len(begin) != len(x.shape) or len(size) != len(begin) or begin[0] != 0:
            raise ModelError(f"SLICE computing '{output.name}' does not take the whole batch")
        parts = np.where(size < 0, np.array(x.shape) - begin, size)
        parts[0] = x.shape[0]
        if (begin < 0).any() or (parts < 0).any() or (begin + parts > x.shape).any():
            raise ModelError(f"SLICE computing '{output.name}' reads outside of {x.shape}")
        self._set_shape(op.outputs[0], tuple(parts.tolist()))
        return replace(
            op, inputs=(*op.inputs[:2], self._constant(output.name + "/size", parts.astype(size.dtype)))
        )

    def _constant(self, name: str, array: Array) -> int:
        dtype = DType.INT64 if array.dtype == np.int64 else DType.INT32
        self._tensors.append(Tensor(name, tuple(array.shape), dtype, array.tobytes()))
        return len(self._tensors) - 1


def _is_small_integer(tensor: Tensor) -> bool:
    """Whether a constant can be an axis, a padding or a shape."""
    return (
        tensor.data is not None
        and tensor.dtype in (DType.INT32, DType.INT64)
        and tensor.size <= SMALL_VALUES_MAX
    )
