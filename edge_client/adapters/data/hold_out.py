"""Which samples are never trained on: a tenth, by the hash of the sample alone.

So a sample stays on its side for ever, however the data grow, are reordered, relabelled or stored; and equal
samples are never on both sides.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from edge_client.adapters.data.source import Array

HOLD_OUT_SHARE = 10
"""One in so many samples, on average."""
_DIGEST_BYTES = 8
_BELOW = (1 << 8 * _DIGEST_BYTES) // HOLD_OUT_SHARE
_PERSON = b"edge hold-out"


def is_held_out(sample: Array) -> bool:
    """Whether this sample is only for measuring; the same values decide the same as uint8 and float32."""
    values = np.ascontiguousarray(sample, "<f4") + np.float32(0)  # minus zero is zero
    digest = blake2b(values.tobytes(), digest_size=_DIGEST_BYTES, person=_PERSON).digest()
    return int.from_bytes(digest, "big") < _BELOW


def held_out(x: Array, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """The answer for each of these rows of x."""
    return np.fromiter((is_held_out(x[row]) for row in rows), np.bool_, len(rows))
