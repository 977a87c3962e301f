"""A device's machine that leaves points of its trace: after each event, and between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from firmware_profiles.report.tally import Points
from firmware_profiles.twin.board import TwinBoard
from firmware_profiles.twin.device import TwinDevice

PAUSE_MS_MIN, PAUSE_MS_MAX = 30_000, 900_000
"""Between two points without an event: short at first, when temperatures change, then twice as long each."""


class Traced:
    """Does what the twin does. `state` names what the device is about; times count from `began_ms`."""

    def __init__(
        self, twin: TwinDevice, board: TwinBoard, points: Points, state: Callable[[], str], began_ms: int
    ) -> None:
        self._twin, self._board, self._points = twin, board, points
        self._state, self._began_ms = state, began_ms
        self._seen_ms: int | None = None

    def handle(self, event: Any, now_ms: int) -> list[Any]:
        """See `Machine`."""
        self.catch_up(now_ms)
        effects = self._twin.handle(event, now_ms)
        self._leave(now_ms)
        return effects

    def catch_up(self, now_ms: int) -> None:
        """Leave the points since the last event, as things were before what happens now."""
        for at_ms in self._between(now_ms):
            self._leave(at_ms)
        self._seen_ms = now_ms

    def deadline(self) -> int | None:
        """See `Machine`."""
        return self._twin.deadline()

    def _leave(self, at_ms: int) -> None:
        leave_point(self._points, self._board, (at_ms, self._began_ms), self._state())

    def _between(self, now_ms: int) -> Iterator[int]:
        """Times since the last event, and the present one, as it is before this event. A line from one event
        to the next would show a board that cools down in minutes as one that takes hours."""
        if self._seen_ms is None:
            return
        at_ms, pause_ms = self._seen_ms + PAUSE_MS_MIN, PAUSE_MS_MIN
        while at_ms < now_ms:
            yield at_ms
            pause_ms = min(2 * pause_ms, PAUSE_MS_MAX)
            at_ms += pause_ms
        yield now_ms


def leave_point(points: Points, board: TwinBoard, times_ms: tuple[int, int], state: str) -> None:
    """A point of the board as it is, or will be if nothing happens; `times_ms`: when, and from when times
    count."""
    at_ms, began_ms = times_ms
    share, temperature_c = board.foreseen(at_ms)
    points.add(at_ms - began_ms, None if share is None else 100 * share, temperature_c, state)
