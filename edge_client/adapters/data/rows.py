"""Collects samples that come one by one, within the window and within memory."""

from __future__ import annotations

from collections import deque
from math import isfinite

import numpy as np
import numpy.typing as npt

from edge_client.adapters.data.source import (
    DATA_BYTES_MAX,
    NO_TIMES,
    SAMPLES_MAX,
    Array,
    DataError,
    DataUnreadyError,
    Raw,
    Rejects,
    Request,
)

BYTE_MAX = 255
NUMBERS = "iufb"
"""Kinds of NumPy types that can be samples."""


class Rows:
    """What was taken so far. Whole numbers from 0 to 255 are kept as bytes: a quarter of the memory."""

    def __init__(self, name: str, request: Request) -> None:
        self.rejects = Rejects()
        self._name = name
        self._request = request
        self._kept: deque[tuple[Array, Array, float]] = deque(maxlen=request.window.keep_samples)
        self._bytes = 0
        self._seen = 0

    def add(self, where: str, sample: Array, label: Array, time_s: float | None = None) -> None:
        """Take one sample, or count it as rejected; raises `DataError` when there are too many."""
        self._seen += 1
        if self._seen > SAMPLES_MAX:
            raise DataError(f"{self._name} gives more than {SAMPLES_MAX} samples; start a new one")
        if time_s is not None and not isfinite(time_s):
            self.rejects.add("a time is no finite number of seconds", where)
            return
        since_s = self._request.window.since_s
        if since_s is not None:
            if time_s is None:
                raise DataError(NO_TIMES.format(self._name))
            if time_s < since_s:
                return
        if sample.dtype.kind not in NUMBERS:
            self.rejects.add(f"a sample is {sample.dtype}, not numbers", where)
            return
        shaped = as_sample(sample, self._request.manifest.input_dims)
        if shaped is None:
            wanted = self._request.manifest.input_dims
            self.rejects.add(f"a sample has shape {sample.shape}, the model takes {wanted}", where)
            return
        if len(self._kept) == self._kept.maxlen:
            self._bytes -= self._kept[0][0].nbytes
        self._kept.append((_smallest(shaped), label, 0.0 if time_s is None else time_s))
        self._bytes += self._kept[-1][0].nbytes
        if self._bytes > DATA_BYTES_MAX:
            limit = f"{DATA_BYTES_MAX >> 20} MiB"
            raise DataError(f"the samples of {self._name} take more than {limit}; set data.keep_samples")

    def finish(self, *, timed: bool) -> Raw:
        """Everything that was taken, as arrays; the single samples are let go."""
        if not self._kept:
            why = self.rejects.first()
            if not why:
                raise DataUnreadyError(f"{self._name} holds no usable samples yet")
            raise DataError(f"{self._name} holds no usable samples: {why}")
        plain = all(sample.dtype == np.uint8 for sample, _, _ in self._kept)
        dims = self._request.manifest.input_dims
        x = np.empty((len(self._kept), *dims), np.uint8 if plain else np.float32)
        labels, times = [], []
        for index in range(len(x)):
            sample, label, time_s = self._kept.popleft()
            x[index] = sample
            labels.append(label)
            times.append(time_s)
        try:
            y = np.array(labels)
        except ValueError:
            raise DataError(f"the labels of {self._name} have different shapes") from None
        return Raw(self._name, x, y, np.array(times, np.float64) if timed else None, self.rejects)


def as_sample(array: Array, dims: tuple[int, ...]) -> Array | None:
    """The values in the model's shape, when they differ by axes of length 1 only or one side is flat."""
    if array.size != int(np.prod(dims)):
        return None
    flat = array.ndim <= 1 or len(dims) <= 1
    same = [size for size in array.shape if size != 1] == [size for size in dims if size != 1]
    return array.reshape(dims) if flat or same else None


def _smallest(sample: Array) -> npt.NDArray[np.uint8] | npt.NDArray[np.float32]:
    if sample.dtype == np.uint8:
        return sample.astype(np.uint8)
    values = sample.astype(np.float32)
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.uint8)
    return whole if np.array_equal(whole, values) and values.max(initial=0) <= BYTE_MAX else values
