"""Aggregation against a twin in fractions, in any order of arrival [AGG-1] to [AGG-6]."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_client.protocol.execution.arithmetic import Sum, normalised_weights
from edge_client.protocol.update import UpdateBody
from tests.exact_aggregation import Contribution, aggregate, used_weights, weights

EDGES = st.sampled_from([0, 1, -1, 127, -127])
CODES = EDGES | st.integers(-127, 127)
EXPONENTS = st.sampled_from([0, -30]) | st.integers(-30, 0)
VALUES = st.sampled_from([-(2**31), 2**31 - 1, 0]) | st.integers(-(2**31), 2**31 - 1)
RAW_WEIGHTS = st.sampled_from([0, 1, (2**16 - 1) * (2**32 - 1) << 16]) | st.integers(0, 2**64)


@st.composite
def rounds(draw: st.DrawFn) -> tuple[list[int], tuple[int, ...], list[Contribution]]:
    """A base, tensor sizes and some updates of that shape."""
    sizes = tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=4)))
    base = draw(st.lists(VALUES, min_size=sum(sizes), max_size=sum(sizes)))
    updates = []
    for _ in range(draw(st.integers(1, 6))):
        tensors = tuple(tuple(draw(st.lists(CODES, min_size=n, max_size=n))) for n in sizes)
        exponents = tuple(draw(st.lists(EXPONENTS, min_size=len(sizes), max_size=len(sizes))))
        updates.append(Contribution(draw(RAW_WEIGHTS), exponents, tensors))
    return base, sizes, updates


@settings(max_examples=75, deadline=None)
@given(
    rounds(),
    st.integers(0, 30),
    st.sampled_from([1, 2**20, 2**32 - 1]) | st.integers(1, 2**32 - 1),
    st.data(),
)
def test_integers_agree_with_fractions_in_any_order(
    made: tuple[list[int], tuple[int, ...], list[Contribution]],
    frac_bits: int,
    clip_q20: int,
    data: st.DataObject,
) -> None:
    base, sizes, updates = made
    normalised = normalised_weights([one.raw_weight for one in updates])
    assert normalised == weights(updates)
    total, used = Sum(sizes), {}
    for i in data.draw(st.permutations(range(len(updates)))):
        codes = np.array([q for tensor in updates[i].tensors for q in tensor], dtype=np.int8)
        used[i] = total.add(UpdateBody(updates[i].exponents, codes), normalised[i], clip_q20)
    assert [used[i] for i in range(len(updates))] == used_weights(updates, clip_q20)
    vector, saturated = total.apply_to(np.array(base, dtype=np.int32), frac_bits)
    assert (vector.tolist(), saturated) == aggregate(base, frac_bits, updates, clip_q20)
    assert vector.dtype == np.int32
