"""The clock of rehearsals, and the event loop that waits by it."""

from __future__ import annotations

import threading
import time

from edge_client.protocol.machine import Woke
from edge_client.runtime.clock import ScaledClock
from edge_client.runtime.loop import EventLoop

SHOWN_MS = 1_800_000_000_000


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def test_goes_faster_from_the_common_beginning() -> None:
    clock = ScaledClock(wall_ms() - 1_000, SHOWN_MS, 60)
    assert clock.now_ms() >= SHOWN_MS + 60_000
    assert clock.wait_s(60_000) == 1.0


def test_stands_still_before_the_beginning() -> None:
    assert ScaledClock(wall_ms() + 60_000, SHOWN_MS, 60).now_ms() == SHOWN_MS


def test_the_loop_waits_in_the_time_of_its_clock() -> None:
    """A deadline an hour ahead comes at once; by the wall clock the test would time out."""
    clock = ScaledClock(wall_ms(), SHOWN_MS, 1e6)

    class Once:
        woken_ms: int | None = None

        def handle(self, _event: Woke, now_ms: int) -> list[str]:
            self.woken_ms = now_ms
            return ["stop"]

        def deadline(self) -> int | None:
            return SHOWN_MS + 3_600_000 if self.woken_ms is None else None

    machine = Once()
    loop: EventLoop[Woke, str] = EventLoop(machine, {str: lambda _one: loop.request_stop()}, clock)
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    thread.join(20)
    assert machine.woken_ms is not None
    assert machine.woken_ms >= SHOWN_MS + 3_600_000
