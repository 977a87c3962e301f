from __future__ import annotations

import time

import pytest

from edge_client.runtime.clock import SystemClock


def test_follows_the_wall_clock_forward_and_never_back(monkeypatch: pytest.MonkeyPatch) -> None:
    readings_ms = iter([1_000, 5_000_000, 4_000, 5_000_001])
    monkeypatch.setattr(time, "time_ns", lambda: next(readings_ms) * 1_000_000)
    clock = SystemClock()
    assert [clock.now_ms() for _ in range(4)] == [1_000, 5_000_000, 5_000_000, 5_000_001]
