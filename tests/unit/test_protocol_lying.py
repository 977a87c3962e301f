"""What a device gains by claiming more samples, steps or a larger step than it has: little."""

from __future__ import annotations

import numpy as np
import pytest

from edge_client.protocol.execution.arithmetic import Sum, credit, normalised_weights
from edge_client.protocol.execution.mint import shares
from edge_client.protocol.params import CLIP_ONE
from edge_client.protocol.update import UpdateBody

CAP, OTHERS, MINT = 64, 9, 1_000_000
LIE = (1 << 32) - 1
SIZE, FRAC_BITS = 4, 20


def raw(samples: int) -> int:
    """With all the steps that so many samples ask for, claimed or done."""
    steps = -(-samples // 10)
    return credit(samples, CAP, steps, steps)


def reward(samples: int) -> int:
    """Of one device among nine others that have and claim the cap."""
    return shares(MINT, [raw(samples), *[raw(CAP)] * OTHERS])[0]


@pytest.mark.parametrize("samples", [CAP, 10 * CAP])
def test_who_has_the_cap_gains_nothing(samples: int) -> None:
    assert reward(LIE) == reward(samples)


@pytest.mark.parametrize("samples", [1, 16, 32])
def test_who_has_less_gains_at_most_up_to_an_equal_share(samples: int) -> None:
    assert reward(LIE) == MINT // (OTHERS + 1)
    assert reward(LIE) / reward(samples) <= CAP / samples


def test_more_steps_than_asked_count_as_asked() -> None:
    assert credit(CAP, CAP, LIE, 7) == credit(CAP, CAP, 7, 7)


def test_a_liar_moves_the_model_by_its_clipped_share_whatever_it_claims() -> None:
    """The others want nothing; the liar wants 127 everywhere, an L2 norm of 254."""
    nothing, wild = (UpdateBody((0,), np.full(SIZE, code, np.int8)) for code in (0, 127))
    weights = normalised_weights([raw(LIE), *[raw(CAP)] * OTHERS])
    total = Sum((SIZE,))
    for body, weight in zip((wild, *[nothing] * OTHERS), weights, strict=True):
        total.add(body, weight, CLIP_ONE)
    moved, _saturated = total.apply_to(np.zeros(SIZE, np.int32), FRAC_BITS)
    distance = float(np.linalg.norm(moved / (1 << FRAC_BITS)))
    assert distance <= 1 / (OTHERS + 1) + 1e-4, "a tenth of the clip norm of 1, not of 254"
    assert distance > 0.09
