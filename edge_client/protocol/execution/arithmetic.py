"""Exact aggregation of client updates in integers: the same bytes on every machine, in any order of arrival.

Notation of the bounds proof (docs/adr/0003): w_i integer weights with sum D <= 2^24, c_i clip factors in
Q16, q codes with |q| <= 127, e exponents in [-30, 0]. A = sum(((w_i c_i) >> 16) q_i 2^(e_i+30)) stays
below 2^61, so everything fits int64 and one rounding happens, at the very end.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import numpy as np
import numpy.typing as npt

from edge_client.protocol.model import Vector
from edge_client.protocol.params import CLIP_ONE
from edge_client.protocol.update import EXPONENT_MIN, UpdateBody

WEIGHT_BITS = 24
CLIP_BITS = 16
CREDIT_BITS = 16
SCORE_FULL = 0xFFFF
INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)


def credit(samples: int, sample_cap: int, steps: int, steps_asked: int) -> int:
    """Clipped samples times the share of the asked steps that was done, in Q16 [AGG-2]."""
    done = min(steps, steps_asked)
    return (min(samples, sample_cap) << CREDIT_BITS) * done // steps_asked


def raw_weight(score: int, update_credit: int, staleness_rounds: int) -> int:
    """W = score * credit, halved for every round the update is late [AGG-3]."""
    return (score * update_credit) >> staleness_rounds


def normalised_weights(raw: Sequence[int]) -> list[int]:
    """w_i = floor(W_i 2^24 / sum W); all zero when nothing has weight [AGG-4]."""
    total = sum(raw)
    return [(one << WEIGHT_BITS) // total if total else 0 for one in raw]


def norm_q30(body: UpdateBody, sizes: Sequence[int]) -> int:
    """Floor of the L2 norm of the whole update, in units of 2^-30; exact before the root [AGG-5]."""
    total, start = 0, 0
    for exponent, size in zip(body.exponents, sizes, strict=True):
        codes = body.codes[start : start + size].astype(np.int64)
        total += int(np.dot(codes, codes)) << 2 * (exponent - EXPONENT_MIN)
        start += size
    return isqrt(total)


def clip_factor_q16(norm: int, clip_norm_q20: int) -> int:
    """min(1, clip / norm) in Q16, rounded down; `norm` in units of 2^-30 [AGG-5]."""
    one = 1 << CLIP_BITS
    if norm == 0:
        return one
    clip_q30 = clip_norm_q20 * ((1 << -EXPONENT_MIN) // CLIP_ONE)
    return min(one, clip_q30 * one // norm)


class Sum:
    """Running sum A over one round's updates; int64 [parameters]. Never holds more than one update."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = tuple(sizes)
        self._total: npt.NDArray[np.int64] = np.zeros(sum(sizes), dtype=np.int64)
        self._weight = 0

    def add(self, body: UpdateBody, weight: int, clip_norm_q20: int) -> int:
        """Add one update with weight w_i; returns the weight that it really had after clipping."""
        clip = clip_factor_q16(norm_q30(body, self._sizes), clip_norm_q20)
        used = (weight * clip) >> CLIP_BITS
        start = 0
        for exponent, size in zip(body.exponents, self._sizes, strict=True):
            part = slice(start, start + size)
            self._total[part] += body.codes[part].astype(np.int64) * (used << (exponent - EXPONENT_MIN))
            start += size
        self._weight += weight
        return used

    def apply_to(self, base: Vector, frac_bits: int) -> tuple[Vector, int]:
        """base + round(A / R) with R = D 2^(30-frac), saturating; how many saturated [AGG-6] [AGG-7]."""
        if not self._weight:
            return base, 0
        scale = self._weight << (-EXPONENT_MIN - frac_bits)
        step = (2 * self._total + scale) // (2 * scale)
        moved = base.astype(np.int64) + step
        clipped = np.clip(moved, INT32_MIN, INT32_MAX)
        return clipped.astype(np.int32), int(np.count_nonzero(clipped != moved))
