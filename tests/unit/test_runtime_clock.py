from __future__ import annotations

import time

import pytest

from edge_client.runtime.clock import BACK_MS_MAX, SystemClock


def test_follows_the_wall_clock_forward_and_never_back(monkeypatch: pytest.MonkeyPatch) -> None:
    readings_ms = iter([1_000, 5_000_000, 4_000, 5_000_001])
    monkeypatch.setattr(time, "time_ns", lambda: next(readings_ms) * 1_000_000)
    clock = SystemClock()
    assert [clock.now_ms() for _ in range(4)] == [1_000, 5_000_000, 5_000_000, 5_000_001]


def test_a_clock_that_was_set_back_far_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    readings_ms = iter([5_000_000, 5_000_000, 5_000_000 - BACK_MS_MAX, 4_999_999 - BACK_MS_MAX])
    monkeypatch.setattr(time, "time_ns", lambda: next(readings_ms) * 1_000_000)
    clock = SystemClock()
    assert clock.now_ms() == 5_000_000
    assert [clock.is_far_behind for _ in range(3)] == [False, False, True]
