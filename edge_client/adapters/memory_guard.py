"""Keeps training within the agent's own memory; the trainer asks it before every step."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge_client.core.conditions.memory import Held, MemoryReading, Short, shortage

CHECK_S = 0.2
"""A look takes up to half a millisecond, a step of a small model less."""

Say = Callable[[str], None]


class ShortOfMemoryError(Exception):
    """The round cannot be trained in the memory there is; the text says which limit was passed."""


class MemoryGuard:
    """For the trainer's thread. Remembers for later rounds how many samples were too many."""

    def __init__(self, own_max: int, read: Callable[[], MemoryReading], say: Say) -> None:
        self.samples_max: int | None = None
        """Of the window; None: nothing was too much yet."""
        self._own_max = own_max
        self._read = read
        self._say = say
        self._looked_s = 0.0
        self._short: Short | None = None

    def begin(self) -> None:
        """Another round; what was short before is looked at anew."""
        self._short = None

    def pressed(self, held: Held) -> bool:
        """Whether memory is short; looks at most every `CHECK_S`."""
        now_s = time.monotonic()
        if self._short is None and now_s - self._looked_s >= CHECK_S:
            self._looked_s, self._short = now_s, shortage(self._read(), self._own_max, held)
        return self._short is not None

    def look(self, held: Held) -> bool:
        """The same, now: after something large was made."""
        self._looked_s = 0.0
        return self.pressed(held)

    def relieve(self) -> bool:
        """Once the work was stopped and let go: whether to begin again, with `samples_max`. False when memory
        was not short; raises `ShortOfMemoryError` when fewer samples would not help."""
        short, self._short = self._short, None
        if short is None:
            return False
        if short.samples_max is None:
            raise ShortOfMemoryError(short.why)
        self.samples_max = short.samples_max
        self._say(f"{short.why}; going on with {short.samples_max} samples")
        return True
