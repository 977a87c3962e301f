"""A device's machine that leaves a point of its trace after each event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from firmware_profiles.report.tally import Points
from firmware_profiles.twin.board import TwinBoard
from firmware_profiles.twin.device import TwinDevice


class Traced:
    """Does what the twin does. `state` names what the device is about; times count from `began_ms`."""

    def __init__(
        self, twin: TwinDevice, board: TwinBoard, points: Points, state: Callable[[], str], began_ms: int
    ) -> None:
        self._twin, self._board, self._points = twin, board, points
        self._state, self._began_ms = state, began_ms

    def handle(self, event: Any, now_ms: int) -> list[Any]:
        """See `Machine`."""
        effects = self._twin.handle(event, now_ms)
        share = self._board.battery_share
        battery_pct = None if share is None else 100 * share
        self._points.add(now_ms - self._began_ms, battery_pct, self._board.temperature_c, self._state())
        return effects

    def deadline(self) -> int | None:
        """See `Machine`."""
        return self._twin.deadline()
