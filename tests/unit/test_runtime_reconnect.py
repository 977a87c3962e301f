from __future__ import annotations

import random

from edge_client.runtime.reconnect import SHORT_IN_A_ROW, SHORT_MS, Backoff, ShortLinks


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


def test_short_links_in_a_row_are_noticed_and_a_long_one_ends_the_row() -> None:
    links = ShortLinks()
    assert [links.ended(1) for _ in range(SHORT_IN_A_ROW)] == [False] * (SHORT_IN_A_ROW - 1) + [True]
    assert links.ended(SHORT_MS - 1)
    assert not links.ended(SHORT_MS)
    assert not links.ended(1)
