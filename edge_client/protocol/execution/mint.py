"""Splitting the fixed mint of a round so that not one unit is lost or made twice."""

from __future__ import annotations

from collections.abc import Sequence


def shares(amount: int, weights: Sequence[int]) -> list[int]:
    """Largest-remainder split of `amount` by `weights`; sums to `amount` unless all are zero [MINT-1].

    Ties go to the earlier entry, which is the lower account number.
    """
    total = sum(weights)
    if not total:
        return [0] * len(weights)
    out = [amount * weight // total for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(amount * weights[i] % total), i))
    for i in order[: amount - sum(out)]:
        out[i] += 1
    return out
