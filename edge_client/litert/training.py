"""The one batch and epoch loop, used by the device agent and by the validators' scorer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import shake_256
from itertools import islice
from typing import cast

import numpy as np
import numpy.typing as npt

from edge_client.litert.graph import Floats, Labels, TrainingGraph

LOSS_MICRO_MAX = (1 << 32) - 1
EVALUATION_SAMPLES_MAX = 1024


@dataclass(frozen=True, slots=True)
class Dataset:
    """Raw samples, uint8 or float32 [n, ...], and labels: ids [n], or float32 [n, K] for the other losses.

    Samples stay in their own type; each batch is converted when it is needed. `rows` are those of x and y
    that count, in order (None: all), so that parts of one array need no copies.
    """

    x: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    y: npt.NDArray[np.generic]
    rows: npt.NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self.x) if self.rows is None else len(self.rows)

    @property
    def indices(self) -> npt.NDArray[np.intp]:
        """The rows that count."""
        return np.arange(len(self.x)) if self.rows is None else self.rows


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What one round asks of a device. `seed` orders the samples: same seed, same order. `steps_max` ends the
    work early (None: all epochs in full)."""

    epochs: int
    learning_rate: float
    seed: int
    steps_max: int | None = None

    def steps(self, samples: int, batch: int) -> int:
        """How many there will be for so many samples."""
        all_steps = self.epochs * -(-samples // batch)
        return all_steps if self.steps_max is None else min(all_steps, self.steps_max)


@dataclass(frozen=True, slots=True)
class Begun:
    """Work that was interrupted after `steps` steps; the graph holds weights and state as they were then."""

    steps: int
    loss_before_micro: int


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """What was done. Losses are means over the data in millionths, saturating at 2^32 - 1; that is also the
    one after work that was stopped, as nobody asks for it."""

    steps_done: int
    steps_asked: int
    samples: int
    loss_before_micro: int
    loss_after_micro: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Mean loss and accuracy (0 for regression) over `count` samples."""

    loss: float
    accuracy: float
    count: int


class _Batches:
    """Converts samples into the graph's inputs, always in the same three arrays."""

    def __init__(self, graph: TrainingGraph, data: Dataset) -> None:
        manifest = graph.manifest
        if data.x.shape[1:] != manifest.input_dims or data.x.dtype not in (np.uint8, np.float32):
            raise ValueError(
                f"samples are {data.x.dtype} {data.x.shape[1:]}, not uint8 or float32 {manifest.input_dims}"
            )
        if len(data.y) != len(data.x) or not len(data):
            raise ValueError(f"{len(data.x)} samples and {len(data.y)} labels")
        self._rows = data.indices
        labels = data.y[self._rows]
        if graph.takes_class_ids and not (labels.min() >= 0 and labels.max() < manifest.outputs):
            raise ValueError(f"labels of samples go from {labels.min()} to {labels.max()}, not 0 to K - 1")
        self._data = data
        self._batch = manifest.batch
        self._num = np.float32(manifest.input_scale_num)
        self._den = np.float32(manifest.input_scale_den)
        self._raw = np.zeros((manifest.batch, *manifest.input_dims), data.x.dtype)
        self._x = np.zeros(self._raw.shape, np.float32)
        self._y = cast("Labels", np.zeros(graph.label_shape, graph.label_dtype))
        self._weight = np.zeros(manifest.batch, np.float32)

    @property
    def per_epoch(self) -> int:
        """How many there are in an epoch."""
        return -(-len(self._rows) // self._batch)

    def take(self, order: npt.NDArray[np.intp], left_out: int = 0) -> Iterator[tuple[Floats, Labels, Floats]]:
        """The samples by their places in the data, batch by batch but for the first ones that are `left_out`;
        the next batch overwrites the arrays.

        Rows behind a short last batch are zeros and have weight 0: a batch depends on its place alone, so
        that interrupted work goes on with the very same bits.
        """
        for start in range(left_out * self._batch, len(order), self._batch):
            chosen = self._rows[order[start : start + self._batch]]
            count = len(chosen)
            np.take(self._data.x, chosen, axis=0, out=self._raw[:count], mode="clip")
            self._raw[count:] = 0
            np.multiply(self._raw, self._num, out=self._x, casting="unsafe", dtype=np.float32)
            np.divide(self._x, self._den, out=self._x)
            self._y[:count] = self._data.y[chosen]
            self._y[count:] = 0
            self._weight[:count] = 1.0
            self._weight[count:] = 0.0
            yield self._x, self._y, self._weight


def train(
    graph: TrainingGraph,
    data: Dataset,
    plan: TrainingPlan,
    stop: Callable[[], bool],
    begun: Begun | None = None,
) -> TrainingOutcome:
    """Train on the graph's own weights; `stop` is asked before every step and ends the work early.

    With `begun` the work goes on where it was. The last batch of an epoch may be short and counts exactly.
    Raises `ValueError` when the data do not fit.
    """
    batches = _Batches(graph, data)
    if begun is None:
        begun = Begun(0, _micro(evaluate(graph, data, EVALUATION_SAMPLES_MAX).loss))
    asked = replace(plan, steps_max=None).steps(len(data), graph.manifest.batch)
    planned, done = plan.steps(len(data), graph.manifest.batch), begun.steps
    for x, y, weight in islice(_from_step(batches, plan, len(data), begun.steps), planned - begun.steps):
        if stop():
            break
        graph.train_step(x, y, weight, plan.learning_rate)
        done += 1
    after = LOSS_MICRO_MAX
    if done == planned:
        after = _micro(evaluate(graph, data, EVALUATION_SAMPLES_MAX).loss)
    return TrainingOutcome(done, asked, len(data), begun.loss_before_micro, after)


def _from_step(
    batches: _Batches, plan: TrainingPlan, count: int, step: int
) -> Iterator[tuple[Floats, Labels, Floats]]:
    """The batches from the one of this step on."""
    first, left_out = divmod(step, batches.per_epoch)
    for epoch in range(first, plan.epochs):
        order = sample_order(plan.seed, epoch, count)
        yield from batches.take(order, left_out if epoch == first else 0)


def sample_order(seed: int, epoch: int, count: int) -> npt.NDArray[np.intp]:
    """The shuffled indices of `count` samples in an epoch; `seed` is below 2^64.

    Drawn by hashing: `numpy.random` costs 6 MiB of memory, and its streams may change with its version.
    """
    drawn = shake_256(seed.to_bytes(8, "big") + epoch.to_bytes(4, "big")).digest(8 * count)
    return np.argsort(np.frombuffer(drawn, dtype=">u8"), kind="stable")


def evaluate(graph: TrainingGraph, data: Dataset, samples_max: int | None = None) -> Evaluation:
    """Mean loss and accuracy over the data (or its first `samples_max` samples)."""
    count = len(data) if samples_max is None else min(len(data), samples_max)
    loss = correct = 0.0
    for x, y, weight in _Batches(graph, data).take(np.arange(count)):
        loss_sum, correct_sum, _ = graph.evaluate(x, y, weight)
        loss += loss_sum
        correct += correct_sum
    return Evaluation(loss / count, correct / count, count)


def _micro(loss: float) -> int:
    """Millionths as u32; what is not finite counts as the maximum."""
    return min(round(loss * 1e6), LOSS_MICRO_MAX) if np.isfinite(loss) else LOSS_MICRO_MAX
