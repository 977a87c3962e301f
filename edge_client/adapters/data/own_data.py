"""The owner's data as a round uses them: read, windowed, checked, and divided into training and hold-out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_client.adapters.data.fit import fit_labels, fit_samples
from edge_client.adapters.data.hold_out import held_out
from edge_client.adapters.data.source import (
    NO_TIMES,
    DataError,
    DataUnreadyError,
    Raw,
    Rejects,
    Request,
    Source,
    Window,
)
from edge_client.litert.training import Dataset
from edge_client.protocol.manifest import Manifest

DAY_MS = 86_400_000
CLASSES_SHOWN_MAX = 64
"""With more classes, those without a sample are not listed."""


@dataclass(frozen=True, slots=True)
class DataOptions:
    """What the owner says about the source: names of the classes in order, and the window; None for all."""

    classes: tuple[str, ...] = ()
    keep_samples: int | None = None
    keep_days: int | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """Both parts share one array of samples. `hold_out` is None while no sample has fallen into it."""

    train: Dataset
    hold_out: Dataset | None
    rejects: Rejects

    @property
    def hold_out_count(self) -> int:
        """Samples for measuring."""
        return 0 if self.hold_out is None else len(self.hold_out)


@dataclass(frozen=True, slots=True)
class OwnData:
    """A source and its options; nothing is kept between two rounds."""

    source: Source
    options: DataOptions = field(default_factory=DataOptions)

    def at_most(self, samples: int | None) -> OwnData:
        """The same with a smaller window; None leaves it as it is."""
        if samples is None:
            return self
        keep = min(samples, self.options.keep_samples or samples)
        return replace(self, options=replace(self.options, keep_samples=keep))

    def load(self, manifest: Manifest, now_ms: int) -> Loaded:
        """What to train on now and what to measure with; raises `DataError`."""
        keep, days, classes = self.options.keep_samples, self.options.keep_days, self.options.classes
        if classes and len(classes) != manifest.outputs:
            raise DataError(
                f"data.classes names {len(classes)} classes, the chain's model has {manifest.outputs}"
            )
        window = Window(keep, None if days is None else (now_ms - days * DAY_MS) / 1000)
        request = Request(manifest, classes, window)
        raw = self.source.read(request)
        rows = _newest(raw, window)
        x, rows = fit_samples(raw, rows, manifest)
        y = fit_labels(raw, rows, request)
        if len(rows) <= len(x) // 2:  # the larger part is let go
            x, y, rows = x[rows], y[rows], np.arange(len(rows))
        out = held_out(x, rows)
        if out.all():
            raise DataUnreadyError(
                f"the samples in {raw.name} are too few or too alike to keep a tenth for measuring"
            )
        hold_out = Dataset(x, y, rows[out]) if out.any() else None
        return Loaded(Dataset(x, y, rows[~out]), hold_out, raw.rejects)


def _newest(raw: Raw, window: Window) -> npt.NDArray[np.intp]:
    """Rows within the window, oldest first."""
    count = len(raw.x) if raw.x.ndim else 0
    rows = np.arange(count)
    if raw.times_s is None:
        if window.since_s is not None:
            raise DataError(NO_TIMES.format(raw.name))
    else:
        if len(raw.times_s) != count or not np.isfinite(raw.times_s).all():
            raise DataError(f"the times in {raw.name} are not one finite number of seconds for each sample")
        rows = np.argsort(raw.times_s, kind="stable")
        if window.since_s is not None:
            rows = rows[raw.times_s[rows] >= window.since_s]
    return rows if window.keep_samples is None else rows[-window.keep_samples :]


def describe(loaded: Loaded, manifest: Manifest, classes: tuple[str, ...]) -> dict[str, Any]:
    """Counts, labels, values and rejects, as `data check` shows them."""
    train, out, rejects = loaded.train, loaded.hold_out, loaded.rejects
    used = np.concatenate([one.indices for one in (train, out) if one is not None])
    scale = manifest.input_scale_num / manifest.input_scale_den
    facts: dict[str, Any] = {
        "samples": len(used),
        "training": len(train),
        "hold_out": loaded.hold_out_count,
        "type": str(train.x.dtype),
        "shape": list(train.x.shape[1:]),
        "memory_bytes": int(train.x.nbytes),
        "lowest": min(float(train.x[row].min()) for row in used) * scale,
        "highest": max(float(train.x[row].max()) for row in used) * scale,
    }
    if train.y.ndim == 1:
        counts = Counter(int(label) for label in train.y[used])
        shown = range(manifest.outputs) if manifest.outputs <= CLASSES_SHOWN_MAX else sorted(counts)
        facts["labels"] = {classes[number] if classes else str(number): counts[number] for number in shown}
    facts["rejected"] = rejects.count
    facts["rejects"] = [
        {"reason": reason, "count": count, "examples": rejects.examples[reason]}
        for reason, count in rejects.counts.most_common()
    ]
    return facts
