"""The lesson of rehearsals: small enough for thousands of devices, real enough to have an accuracy.

The cut is the demo's (`demo/data.py`): label-sorted shares, so that no device knows all digits. There are
`SHARES` of them, and devices have the same ones as other devices: 1,257 samples do not reach for thousands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits

from edge_client.litert.graph import TrainingGraph
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.training import Dataset, evaluate
from edge_client.litert.zoo import dense_net
from edge_client.protocol.model import Floats, decode_model, to_float
from firmware_profiles.demo.data import PIXEL_MAX, cut
from firmware_profiles.lesson.shares import SHARES, share_of

WIDTHS = (64, 16, 10)
BATCH = 10
CUT_SEED = 1
ROOTS = 1


@dataclass(frozen=True, slots=True)
class Lesson:
    """The training graph, one data set for each share, and what nobody trains on."""

    graph: bytes
    shares: tuple[Dataset, ...]
    held_out: Dataset

    def labels(self, devices: Iterable[int]) -> dict[int, str]:
        """The label that each device has most of."""
        most = [str(Counter(one.y.tolist()).most_common(1)[0][0]) for one in self.shares]
        return {number: most[share_of(number)] for number in devices}


def digits() -> Lesson:
    """Always the same."""
    images, labels = load_digits(return_X_y=True)
    pixels, classes = images.astype(np.uint8), labels.astype(np.int32)
    parts = cut(labels.astype(np.int64), SHARES, ROOTS, CUT_SEED)
    shares = tuple(Dataset(pixels[rows], classes[rows]) for rows in parts.devices)
    options = TrainingOptions(batch=BATCH, input_scale_num=1, input_scale_den=PIXEL_MAX)
    graph = make_trainable(dense_net(WIDTHS, CUT_SEED), options)
    return Lesson(graph, shares, Dataset(pixels[parts.held_out], classes[parts.held_out]))


class Examiner:
    """Measures models, as the chain writes them, on the held-out data."""

    def __init__(self, lesson: Lesson) -> None:
        self._graph = TrainingGraph.open(lesson.graph)
        self._held_out = lesson.held_out

    def accuracy(self, model: bytes) -> float:
        """Share of right answers."""
        self._graph.set_weights(weights_of(self._graph, model))
        return evaluate(self._graph, self._held_out).accuracy


def weights_of(graph: TrainingGraph, model: bytes) -> Sequence[Floats]:
    """A model of the chain as the graph takes it."""
    manifest = graph.manifest
    flat = to_float(decode_model(model, manifest.parameter_count), manifest.frac_bits)
    parts = np.split(flat, np.cumsum(manifest.sizes)[:-1])
    return [part.reshape(spec.dims) for part, spec in zip(parts, manifest.tensors, strict=True)]
