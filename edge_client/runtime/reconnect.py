"""When to try the next connection: exponential, and never at the same time as everybody else."""

from __future__ import annotations

import random

SHORT_MS = 60_000
SHORT_IN_A_ROW = 5


class ShortLinks:
    """Counts connections in a row that the other side ended soon: a second process with the same id does
    that, and nothing else needs to say so."""

    def __init__(self) -> None:
        self._count = 0

    def ended(self, lived_ms: int) -> bool:
        """A connection that was up ended by itself after so long; whether there were too many short ones."""
        self._count = self._count + 1 if lived_ms < SHORT_MS else 0
        return self._count >= SHORT_IN_A_ROW


class Backoff:
    """Waits of random length whose upper end doubles.

    Each wait is drawn from 0 to the upper end ("full jitter"): after a restart of the server a fleet comes
    back spread over the whole interval, not in waves.
    """

    def __init__(self, wait_ms_min: int, wait_ms_max: int, rng: random.Random) -> None:
        self._wait_ms_min = wait_ms_min
        self._wait_ms_max = wait_ms_max
        self._rng = rng
        self._upper_ms = wait_ms_min

    def next_wait_ms(self) -> int:
        """How long to wait before the next attempt."""
        wait_ms = self._rng.randint(0, self._upper_ms)
        self._upper_ms = min(self._upper_ms * 2, self._wait_ms_max)
        return wait_ms

    def reset(self) -> None:
        """The connection proved stable: begin again with short waits."""
        self._upper_ms = self._wait_ms_min
