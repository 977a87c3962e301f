"""A fleet that is emulated and one that is simulated from the same seed do the same."""

from __future__ import annotations

import pytest

from benchmarks.fleet.both_ways import Pair, both_ways
from firmware_profiles.report.agreement import agreement

JOULES, ACCURACY = 0.05, 0.02

pytestmark = pytest.mark.mosquitto


def test_twenty_boards_agree_on_who_trained_what_it_took_and_what_they_learned() -> None:
    found = agreement(*both_ways(Pair(devices=20, rounds=2, speed=60.0)))
    assert found.rounds == 2
    assert found.work > 20
    assert found.who_trained, found.apart
    assert found.joules is not None
    assert found.joules <= JOULES
    assert found.accuracy is not None
    assert found.accuracy <= ACCURACY
