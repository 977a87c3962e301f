"""Which samples are never trained on: a tenth, by the hash of the sample alone.

So a sample stays on its side for ever, however the data grow, are reordered, relabelled or stored; and equal
samples are never on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from edge_client.adapters.data.source import Array

HOLD_OUT_SHARE = 10
"""One in so many samples, on average."""
_DIGEST_BYTES = 8
_BELOW = ((1 << 8 * _DIGEST_BYTES) // HOLD_OUT_SHARE).to_bytes(_DIGEST_BYTES, "big")
_EMPTY = blake2b(digest_size=_DIGEST_BYTES, person=b"held out")
"""Copied and never fed."""
_VALUES_AT_ONCE = 1 << 14
"""So many are converted together: fewer calls, and hardly any memory."""


def is_held_out(sample: Array) -> bool:
    """Whether this sample is only for measuring; the same values decide the same as uint8 and float32."""
    return bool(held_out(sample[np.newaxis], np.zeros(1, np.intp))[0])


def held_out(x: Array, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """The answer for each of these rows of x."""
    at_once = max(1, _VALUES_AT_ONCE // max(1, x[:1].size))
    pieces = (rows[start : start + at_once] for start in range(0, len(rows), at_once))
    return np.fromiter((_is_below(one) for piece in pieces for one in _values(x[piece])), np.bool_, len(rows))


def _values(samples: Array) -> Iterator[Array]:
    """What is hashed of each sample: pixels as the bytes they are, a quarter of what they are as float32, and
    float32 what does not consist of such values only."""
    if samples.dtype == np.uint8:
        yield from np.ascontiguousarray(samples)
        return
    floats = samples.astype("<f4", order="C")
    floats += np.float32(0)  # minus zero is zero
    with np.errstate(invalid="ignore"):  # whatever a value becomes that is none of a byte, it differs
        pixels = floats.astype(np.uint8)
    alike = (floats == pixels).reshape(len(floats), -1).all(axis=1)
    yield from (byte if same else value for value, byte, same in zip(floats, pixels, alike, strict=True))


def _is_below(value: Array) -> bool:
    state = _EMPTY.copy()
    state.update(value.data)
    return state.digest() < _BELOW
