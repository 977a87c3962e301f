"""Whether data fit the chain's model: one sentence on a mismatch, and rejects for single bad samples."""

from __future__ import annotations

from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt

from edge_client.adapters.data.source import (
    EXAMPLES_MAX,
    SAMPLES_MAX,
    Array,
    DataError,
    DataUnreadyError,
    Raw,
    Request,
)
from edge_client.protocol.manifest import Manifest

REJECTED_SHARE_MAX = 0.5
"""With more than this left out, something is wrong with all of them."""
NORMALISED_MAX = 1.0
DIVISOR_MIN = 16
"""Float samples within [-1, 1] that the model divides by this much or more were divided already."""

Rows = npt.NDArray[np.intp]
Samples: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.float32]


def fit_samples(raw: Raw, rows: Rows, manifest: Manifest) -> tuple[Samples, Rows]:
    """The samples as uint8 or float32, and those of the rows that can be used; raises `DataError`."""
    x, name = raw.x, raw.name
    if x.dtype == np.float64:
        x = x.astype(np.float32)
    if x.dtype not in (np.uint8, np.float32):
        raise DataError(f"'x' in {name} is {x.dtype}; convert it: the model takes uint8 or float32")
    if x.ndim == 0 or x.shape[1:] != manifest.input_dims:
        raise DataError(f"samples in {name} have shape {x.shape[1:]}, the model takes {manifest.input_dims}")
    if len(x) > SAMPLES_MAX:
        raise DataError(f"{name} holds {len(x)} samples, at most {SAMPLES_MAX}; leave the oldest out")
    if not len(rows):
        kept = "" if not len(x) else " within the window of data.keep_days"
        raise DataUnreadyError(f"'x' in {name} holds no samples{kept}")
    if x.dtype == np.float32:
        rows = _finite(raw, x, rows)
        _check_normalisation(x, rows, manifest, name)
    if raw.rejects.count > REJECTED_SHARE_MAX * (raw.rejects.count + len(rows)):
        share = f"{raw.rejects.count} of {raw.rejects.count + len(rows)} samples"
        raise DataError(f"{share} in {name} cannot be used: {raw.rejects.first()}")
    return cast("Samples", x), rows


def _finite(raw: Raw, x: Array, rows: Rows) -> Rows:
    """Sensors glitch: samples with a NaN or an infinity are left out one by one, without a copy of all."""
    good = np.fromiter((bool(np.isfinite(x[row]).all()) for row in rows), np.bool_, len(rows))
    bad = rows[~good]
    for row in bad[:EXAMPLES_MAX]:
        raw.rejects.add("a value is not finite", f"sample {row + 1}")
    if len(bad) > EXAMPLES_MAX:
        raw.rejects.add("a value is not finite", "", len(bad) - EXAMPLES_MAX)
    return rows[good]


def _check_normalisation(x: Array, rows: Rows, manifest: Manifest, name: str) -> None:
    divisor = manifest.input_scale_den / manifest.input_scale_num
    if divisor < DIVISOR_MIN or not len(rows):
        return
    largest = max(float(np.abs(x[row]).max(initial=0)) for row in rows)
    if 0 < largest <= NORMALISED_MAX:
        raise DataError(
            f"samples in {name} go up to {largest:.3g}, and the model divides them by {divisor:g}: "
            "give the raw values, not normalised ones"
        )


def fit_labels(raw: Raw, rows: Rows, request: Request) -> Array:
    """All labels as the model takes them; raises `DataError`."""
    y, name, manifest = raw.y, raw.name, request.manifest
    if y.shape[:1] != (len(raw.x),):
        raise DataError(f"{name} holds {len(raw.x)} samples, but labels of shape {y.shape}")
    if not request.by_class:
        if y.shape != (len(raw.x), manifest.outputs) or y.dtype.kind not in "iuf":
            raise DataError(f"labels in {name} have shape {y.shape}, not {(len(raw.x), manifest.outputs)}")
        values = y.astype(np.float32)
        if not np.isfinite(values[rows]).all():
            raise DataError(f"labels in {name} hold values that are not finite; leave those samples out")
        return values
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataError(f"'y' in {name} is {y.dtype} of shape {y.shape}; the model takes class numbers")
    low, high, last = int(y[rows].min()), int(y[rows].max()), manifest.outputs - 1
    if low < 0 or high > last:
        hint = "; count classes from 0" if (low, high) == (1, last + 1) else ""
        raise DataError(f"labels in {name} go from {low} to {high}, the model's from 0 to {last}{hint}")
    return y.astype(np.int32)
