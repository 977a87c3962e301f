"""Where a sliding window looks: output sizes, padding, and the index tables that turn windows into gathers.

Convolutions and pools become matrix products and reductions over *patches*; a patch is read by GATHER with
a constant table, and its gradient is brought back by the inverse table. Tables are for one image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_client.litert.ir import ModelError, Op, Padding

Table = npt.NDArray[np.int32]
TABLE_VALUES_MAX = 1 << 22


@dataclass(frozen=True, slots=True)
class Axis:
    """A window along one axis: input size, kernel, stride, dilation, zeros before and after, output size."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    outputs: int

    @classmethod
    def of(cls, size: int, kernel: int, stride: int, dilation: int, padding: Padding) -> Axis:
        """TFLite's SAME (the odd zero behind) or VALID; raises `ModelError` when no window fits."""
        if min(size, kernel, stride, dilation) < 1:
            raise ModelError(
                f"window of kernel {kernel}, stride {stride}, dilation {dilation} over {size} values"
            )
        reach = (kernel - 1) * dilation + 1
        outputs = -(-size // stride) if padding == Padding.SAME else (size - reach) // stride + 1
        if outputs < 1:
            raise ModelError(f"a window of {reach} values does not fit into {size}")
        missing = max((outputs - 1) * stride + reach - size, 0) if padding == Padding.SAME else 0
        return cls(size, kernel, stride, dilation, missing // 2, missing - missing // 2, outputs)

    @property
    def padded(self) -> int:
        """Input size with its zeros."""
        return self.before + self.size + self.after


@dataclass(frozen=True, slots=True)
class Window:
    """A window over height and width."""

    rows: Axis
    columns: Axis

    @classmethod
    def of(cls, op: Op, height: int, width: int, kernel: tuple[int, int]) -> Window:
        """The window of a convolution or pool."""
        padding = Padding(op.option("padding"))
        stride = (op.option("strideH", 1), op.option("strideW", 1))
        dilation = (op.option("dilationHFactor", 1), op.option("dilationWFactor", 1))
        return cls(
            Axis.of(height, kernel[0], stride[0], dilation[0], padding),
            Axis.of(width, kernel[1], stride[1], dilation[1], padding),
        )

    @property
    def taps(self) -> int:
        """Positions in one window."""
        return self.rows.kernel * self.columns.kernel

    @property
    def outputs(self) -> int:
        """Windows in one image."""
        return self.rows.outputs * self.columns.outputs

    @property
    def is_pointwise(self) -> bool:
        """Whether each output looks at its own pixel only."""
        return self.taps == 1 and self.outputs == self.rows.size * self.columns.size

    @property
    def tiles(self) -> bool:
        """Whether the windows cover the image once, without overlap, gaps or padding."""
        return all(
            axis.kernel == axis.stride and axis.outputs * axis.kernel == axis.size for axis in self._axes
        )

    @property
    def is_same(self) -> bool:
        """Whether the runtime's SAME padding gives these zeros and outputs."""
        return all(
            axis == Axis.of(axis.size, axis.kernel, axis.stride, axis.dilation, Padding.SAME)
            for axis in self._axes
        )

    @property
    def _axes(self) -> tuple[Axis, Axis]:
        return self.rows, self.columns

    def sources(self) -> Table:
        """int32 [outputs, taps]: index into the padded image, flattened over height and width."""
        rows, columns = (
            axis.stride * np.arange(axis.outputs)[:, None] + axis.dilation * np.arange(axis.kernel)
            for axis in self._axes
        )
        table = rows[:, None, :, None] * self.columns.padded + columns[None, :, None, :]
        self._check(table.size)
        return np.ascontiguousarray(table.reshape(self.outputs, self.taps), np.int32)

    def targets(self, *, taps_first: bool) -> Table:
        """int32 [pixels, uses]: for each pixel of the unpadded image the patch entries that read it.

        Patch entries are numbered output * taps + tap, or tap * outputs + output when `taps_first`;
        outputs * taps stands for an entry of zeros that fills up pixels with fewer uses.
        """
        table = self.sources()
        numbers = np.arange(table.size)
        if taps_first:
            numbers = numbers.reshape(self.taps, self.outputs).T.ravel()
        pixel_of, entry = table.ravel(), numbers
        order = np.argsort(pixel_of, kind="stable")
        pixel_of, entry = pixel_of[order], entry[order]
        first = np.searchsorted(pixel_of, pixel_of)
        uses = np.arange(len(entry)) - first
        padded = self.rows.padded * self.columns.padded
        self._check(padded * (int(uses.max()) + 1))
        inverse = np.full((padded, int(uses.max()) + 1), table.size, np.int32)
        inverse[pixel_of, uses] = entry
        image = inverse.reshape(self.rows.padded, self.columns.padded, -1)
        rows, columns = (slice(axis.before, axis.before + axis.size) for axis in self._axes)
        return np.ascontiguousarray(image[rows, columns].reshape(self.rows.size * self.columns.size, -1))

    def _check(self, size: int) -> None:
        if size > TABLE_VALUES_MAX:
            raise ModelError(f"windows read {size} values of an image, at most {TABLE_VALUES_MAX}")
