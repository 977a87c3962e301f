"""[AGG-1] to [AGG-6] at their edges: every maximum at once, saturation, rounding, clipping."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge_client.protocol.execution.arithmetic import (
    INT32_MAX,
    INT32_MIN,
    SCORE_FULL,
    Sum,
    clip_factor_q16,
    credit,
    norm_q30,
    normalised_weights,
    raw_weight,
)
from edge_client.protocol.params import STALENESS_MAX, UPDATES_PER_BLOCK_MAX
from edge_client.protocol.update import UpdateBody
from tests.exact_aggregation import Contribution, aggregate

U32_MAX = 2**32 - 1
NO_CLIP = U32_MAX


def body(codes: list[int], exponents: tuple[int, ...]) -> UpdateBody:
    return UpdateBody(exponents, np.array(codes, dtype=np.int8))


def moved(base: list[int], frac_bits: int, code: int, exponent: int, count: int = 1) -> tuple[list[int], int]:
    """The model after `count` equal updates of one code and one exponent."""
    total = Sum((len(base),))
    for weight in normalised_weights([SCORE_FULL] * count):
        total.add(body([code] * len(base), (exponent,)), weight, NO_CLIP)
    vector, saturated = total.apply_to(np.array(base, dtype=np.int32), frac_bits)
    return vector.tolist(), saturated


@pytest.mark.parametrize("count", [1, 3, UPDATES_PER_BLOCK_MAX])
@pytest.mark.parametrize("code", [127, -127])
@pytest.mark.parametrize("exponent", [0, -30])
@pytest.mark.parametrize("frac_bits", [0, 1, 20, 30])
def test_every_maximum_at_once(frac_bits: int, exponent: int, code: int, count: int) -> None:
    base = [INT32_MIN, INT32_MAX] if count > 3 else [INT32_MIN, INT32_MIN + 1, -1, 0, 1, INT32_MAX]
    same = Contribution(SCORE_FULL * U32_MAX, (exponent,), ((code,) * len(base),))
    assert moved(base, frac_bits, code, exponent, count) == aggregate(
        base, frac_bits, [same] * count, NO_CLIP
    )


def test_the_sum_stays_below_2_to_61() -> None:
    total = Sum((1,))
    for weight in normalised_weights([1] * UPDATES_PER_BLOCK_MAX):
        total.add(body([127], (0,)), weight, NO_CLIP)
    assert total._total.dtype == np.int64
    assert 2**60 < int(total._total[0]) <= 2**24 * 127 * 2**30 < 2**61


@pytest.mark.parametrize("frac_bits", range(31))
def test_a_whole_step_is_exact_for_every_frac_bits(frac_bits: int) -> None:
    assert moved([0], frac_bits, 1, 0) == ([2**frac_bits], 0)


@pytest.mark.parametrize(
    ("code", "rounded"),
    [(1, 1), (-1, 0), (3, 2), (-3, -1), (2, 1), (-2, -1)],
    ids=["0.5", "-0.5", "1.5", "-1.5", "1", "-1"],
)
def test_halves_round_up(code: int, rounded: int) -> None:
    assert moved([10], 0, code, -1) == ([10 + rounded], 0)


@pytest.mark.parametrize(
    ("base", "code", "expected", "saturated"),
    [
        (INT32_MAX, 1, INT32_MAX, 1),
        (INT32_MIN, -1, INT32_MIN, 1),
        (INT32_MAX - 1, 1, INT32_MAX, 0),
        (INT32_MAX, 0, INT32_MAX, 0),
    ],
)
def test_saturation_is_counted_once_a_parameter(base: int, code: int, expected: int, saturated: int) -> None:
    assert moved([base, 0], 0, code, 0) == ([expected, code], saturated)


def test_no_updates_or_no_weight_leave_the_model_alone() -> None:
    base = np.array([1, -2], dtype=np.int32)
    assert Sum((2,)).apply_to(base, 20)[0].tolist() == [1, -2]
    weightless = Sum((2,))
    weightless.add(body([5, 5], (0,)), 0, NO_CLIP)
    assert weightless.apply_to(base, 20)[0].tolist() == [1, -2]


def test_order_of_arrival_changes_nothing() -> None:
    bodies = [body([100, -3, 7], (-2, -9)), body([-127, 127, 1], (0, -30)), body([5, 5, 5], (-1, -1))]
    weights = normalised_weights([7, 11, 13])
    base = np.array([5, -5, 0], dtype=np.int32)
    outcomes = set()
    for order in itertools.permutations(range(3)):
        total = Sum((2, 1))
        for i in order:
            total.add(bodies[i], weights[i], 1 << 21)
        outcomes.add(total.apply_to(base, 20)[0].tobytes())
    assert len(outcomes) == 1


@pytest.mark.parametrize("late", range(STALENESS_MAX + 1))
def test_weight_halves_with_every_round_of_lateness(late: int) -> None:
    assert raw_weight(SCORE_FULL, 1 << 24, late) == (SCORE_FULL << 24) // 2**late


@pytest.mark.parametrize(
    ("samples", "steps", "asked", "expected"),
    [
        (40, 10, 10, 40 << 16),
        (40, 11, 10, 40 << 16),
        (40, 5, 10, 20 << 16),
        (5000, 10, 10, 1000 << 16),
        (1, 1, 3, 65536 // 3),
        (U32_MAX, U32_MAX, U32_MAX, 1000 << 16),
    ],
    ids=["whole", "more than asked", "half", "capped", "rounded down", "maxima"],
)
def test_credit_is_capped_samples_times_the_share_done(
    samples: int, steps: int, asked: int, expected: int
) -> None:
    assert credit(samples, 1000, steps, asked) == expected


def test_weights_sum_to_at_most_2_to_24() -> None:
    assert normalised_weights([]) == []
    assert normalised_weights([0, 0]) == [0, 0]
    assert normalised_weights([5]) == [1 << 24]
    assert normalised_weights([1, 1, 1]) == [5592405] * 3
    most = normalised_weights([SCORE_FULL * U32_MAX << 16] * UPDATES_PER_BLOCK_MAX)
    assert sum(most) == 1 << 24


@pytest.mark.parametrize(
    ("codes", "exponents", "norm"),
    [
        ([0, 0], (0, 0), 0),
        ([3, 4], (0, 0), 5 << 30),
        ([3, 4], (-30, -30), 5),
        ([1, 1], (0, -30), (1 << 30) + 0),
        ([127, 127], (0, 0), 192849531748),
    ],
)
def test_norm_is_the_floor_of_the_exact_root(codes: list[int], exponents: tuple[int, ...], norm: int) -> None:
    assert norm_q30(body(codes, exponents), (1, 1)) == norm
    assert norm == Contribution(1, exponents, ((codes[0],), (codes[1],))).norm_q30


@pytest.mark.parametrize(
    ("norm", "clip_q20", "factor"),
    [
        (0, 1, 1 << 16),
        (1 << 30, 1 << 20, 1 << 16),
        (2 << 30, 1 << 20, 1 << 15),
        ((1 << 30) + 1, 1 << 20, (1 << 16) - 1),
        (1 << 62, 1, 0),
    ],
    ids=["zero norm", "at the clip", "twice the clip", "just above", "far above"],
)
def test_clip_factor_rounds_down_and_never_grows(norm: int, clip_q20: int, factor: int) -> None:
    assert clip_factor_q16(norm, clip_q20) == factor
