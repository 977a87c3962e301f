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
_BELOW = (1 << 8 * _DIGEST_BYTES) // HOLD_OUT_SHARE
_PERSON = b"edge hold-out"


_VALUES_AT_ONCE = 1 << 14
"""So many are converted together: fewer calls, and hardly any memory."""


def is_held_out(sample: Array) -> bool:
    """Whether this sample is only for measuring; the same values decide the same as uint8 and float32."""
    return bool(held_out(sample[np.newaxis], np.zeros(1, np.intp))[0])


def held_out(x: Array, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """The answer for each of these rows of x."""
    at_once = max(1, _VALUES_AT_ONCE // max(1, x[:1].size))
    pieces = (rows[start : start + at_once] for start in range(0, len(rows), at_once))
    return np.fromiter((out for piece in pieces for out in _each_held_out(x[piece])), np.bool_, len(rows))


def _each_held_out(samples: Array) -> Iterator[bool]:
    values = samples.astype("<f4", order="C")
    values += np.float32(0)  # minus zero is zero
    for value in values:
        digest = blake2b(value, digest_size=_DIGEST_BYTES, person=_PERSON).digest()
        yield int.from_bytes(digest, "big") < _BELOW
