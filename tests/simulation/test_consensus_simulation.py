"""Seeded runs of the whole validator set. Replay one by hand: `simulate(SEED)` of consensus_world.py."""

from __future__ import annotations

import pytest

from tests.simulation.consensus_world import simulate

SEEDS = range(50)
REGRESSIONS: tuple[int, ...] = ()
"""Every seed that ever failed, for good."""


@pytest.mark.parametrize("seed", [*SEEDS, *REGRESSIONS])
def test_safe_unframed_and_live_after_healing(seed):
    tally = simulate(seed)
    assert tally.decided_blocks >= 3


def test_the_same_seed_is_the_same_run():
    assert simulate(5) == simulate(5)
