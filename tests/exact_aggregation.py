"""The aggregation of docs/PROTOCOL.md [AGG-1] to [AGG-6] once more, in fractions and plain loops.

A second reading of the text, slow on purpose: no NumPy, no shifts, no shared code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import floor


@dataclass(frozen=True)
class Contribution:
    """One update: its raw weight, and its codes tensor by tensor with their exponents."""

    raw_weight: int
    exponents: tuple[int, ...]
    tensors: tuple[tuple[int, ...], ...]

    @cached_property
    def norm_q30(self) -> int:
        """Largest integer whose square is not above the squared norm times 4^30."""
        squared = sum(
            (Fraction(q) * Fraction(2) ** e) ** 2 * 4**30
            for e, codes in zip(self.exponents, self.tensors, strict=True)
            for q in codes
        )
        low, high = 0, 1 << 80
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle * middle <= squared else (low, middle - 1)
        return low


def weights(contributions: Sequence[Contribution]) -> list[int]:
    """w_i."""
    total = sum(one.raw_weight for one in contributions)
    return [floor(Fraction(one.raw_weight, total) * 2**24) if total else 0 for one in contributions]


def used_weights(contributions: Sequence[Contribution], clip_norm_q20: int) -> list[int]:
    """u_i: w_i after clipping."""
    clip = Fraction(clip_norm_q20, 2**20)
    used = []
    for one, weight in zip(contributions, weights(contributions), strict=True):
        norm = Fraction(one.norm_q30, 2**30)
        factor = 2**16 if norm <= clip else floor(clip / norm * 2**16)
        used.append(floor(Fraction(weight * factor, 2**16)))
    return used


def aggregate(
    base: Sequence[int], frac_bits: int, contributions: Sequence[Contribution], clip_norm_q20: int
) -> tuple[list[int], int]:
    """The new model and the number of parameters that saturated."""
    divisor = sum(weights(contributions))
    if not divisor:
        return list(base), 0
    sums = [Fraction(0)] * len(base)
    for one, used in zip(contributions, used_weights(contributions, clip_norm_q20), strict=True):
        deltas = [
            q * Fraction(2) ** e for e, codes in zip(one.exponents, one.tensors, strict=True) for q in codes
        ]
        sums = [total + used * delta for total, delta in zip(sums, deltas, strict=True)]
    moved = [
        value + floor(total / divisor * 2**frac_bits + Fraction(1, 2))
        for value, total in zip(base, sums, strict=True)
    ]
    kept = [min(max(value, -(2**31)), 2**31 - 1) for value in moved]
    return kept, sum(a != b for a, b in zip(moved, kept, strict=True))
