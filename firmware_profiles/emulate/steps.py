"""Things to do at a moment, for a process that looks at the clock now and then."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Steps:
    """By due time; those due at the same moment in the order in which they were given."""

    def __init__(self) -> None:
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0

    def add(self, due_ms: int, step: Callable[[], None]) -> None:
        """Do it then."""
        self._order += 1
        heapq.heappush(self._due, (due_ms, self._order, step))

    def run_due(self, now_ms: int) -> None:
        """Everything that is due; a step may add others."""
        while self._due and self._due[0][0] <= now_ms:
            heapq.heappop(self._due)[2]()
