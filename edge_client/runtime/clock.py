"""What time it is: the only place where the shell reads the wall clock."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Protocol

BACK_MS_MAX = 60_000
"""A process waits through a correction of its clock backward by less; for more it begins anew."""


class Clock(Protocol):
    """Gives the `now_ms` that machines are told."""

    def now_ms(self) -> int:
        """Unix milliseconds, never less than an earlier answer of the same clock."""
        ...

    def wait_s(self, duration_ms: int) -> float:
        """How long a thread must sleep for so much of this clock's time to pass."""
        ...


class SystemClock:
    """The wall clock; it follows corrections forward and stands still through corrections backward.

    A board without a battery-backed clock starts in the past and jumps ahead when NTP answers: that jump must
    be seen. A jump back must not be, because machines compare deadlines with earlier readings: a process
    whose clock was set back far (`is_far_behind`) begins anew with another `SystemClock`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest_ms = 0

    def now_ms(self) -> int:
        """See `Clock`; safe to call from any thread."""
        with self._lock:
            self._latest_ms = max(self._latest_ms, _wall_ms())
            return self._latest_ms

    def wait_s(self, duration_ms: int) -> float:
        """See `Clock`."""
        return duration_ms / 1000

    @property
    def is_far_behind(self) -> bool:
        """Whether we would stand still for more than `BACK_MS_MAX`, until the wall clock has caught up."""
        with self._lock:
            return self._latest_ms - _wall_ms() > BACK_MS_MAX


@dataclass(frozen=True, slots=True)
class ScaledClock:
    """A clock of rehearsals that goes `speed` times as fast as the wall clock: it shows `shown_ms` when that
    one shows `began_ms` (both Unix milliseconds). Processes with the same three figures agree; before the
    beginning it stands still. Whoever sets the wall clock back spoils the rehearsal."""

    began_ms: int
    shown_ms: int
    speed: float

    def now_ms(self) -> int:
        """See `Clock`."""
        return self.shown_ms + int(max(0, _wall_ms() - self.began_ms) * self.speed)

    def wait_s(self, duration_ms: int) -> float:
        """See `Clock`."""
        return duration_ms / 1000 / self.speed


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
