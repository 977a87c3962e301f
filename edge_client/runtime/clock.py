"""What time it is: the only place where the shell reads the wall clock."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Gives the `now_ms` that machines are told."""

    def now_ms(self) -> int:
        """Unix milliseconds, never less than an earlier answer of the same clock."""
        ...


class SystemClock:
    """The wall clock; it follows corrections forward and stands still through corrections backward.

    A board without a battery-backed clock starts in the past and jumps ahead when NTP answers: that jump must
    be seen. A jump back must not be, because machines compare deadlines with earlier readings: a process
    whose clock was set back far (`behind_ms`) begins anew with another `SystemClock`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest_ms = 0

    def now_ms(self) -> int:
        """See `Clock`; safe to call from any thread."""
        with self._lock:
            self._latest_ms = max(self._latest_ms, _wall_ms())
            return self._latest_ms

    @property
    def behind_ms(self) -> int:
        """By how much the wall clock lies behind what was answered already: for so long we stand still."""
        with self._lock:
            return max(0, self._latest_ms - _wall_ms())


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
