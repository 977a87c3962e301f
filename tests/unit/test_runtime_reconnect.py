from __future__ import annotations

import random

from edge_client.runtime.reconnect import Backoff


def test_waits_are_spread_and_bounded_and_begin_again() -> None:
    backoff = Backoff(100, 1000, random.Random(1))
    for upper_ms in (100, 200, 400, 800, 1000, 1000):
        assert 0 <= backoff.next_wait_ms() <= upper_ms
    backoff.reset()
    assert backoff.next_wait_ms() <= 100


def test_a_fleet_does_not_come_back_in_waves() -> None:
    waits = []
    for seed in range(200):
        backoff = Backoff(1000, 1000, random.Random(seed))
        waits.append(backoff.next_wait_ms())
    tenths = {wait // 100 for wait in waits}
    assert set(range(10)) <= tenths
