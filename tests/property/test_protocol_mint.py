"""[MINT-1]: what is made in a round is exactly what is handed out."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from edge_client.protocol.execution.mint import shares
from edge_client.protocol.params import MINT_MAX

WEIGHTS = st.lists(st.integers(0, 2**24), max_size=40)


@given(st.integers(0, MINT_MAX), WEIGHTS)
def test_mint_conserves_and_is_fair_to_one_unit(amount: int, weights: list[int]) -> None:
    split = shares(amount, weights)
    total = sum(weights)
    assert sum(split) == (amount if total else 0)
    for share, weight in zip(split, weights, strict=True):
        assert share >= 0
        if total:
            assert abs(share - Fraction(amount * weight, total)) < 1


@given(st.integers(0, MINT_MAX), WEIGHTS)
def test_more_weight_never_earns_less(amount: int, weights: list[int]) -> None:
    earned = sorted(zip(weights, shares(amount, weights), strict=True))
    assert [share for _, share in earned] == sorted(share for _, share in earned)
