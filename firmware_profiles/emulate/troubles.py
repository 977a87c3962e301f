"""What the fleet file lets go wrong among real processes: the MQTT server and validators die, and come back.

What happens to a device happens in its own process: see `worker.py` and `link.py`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Protocol

from firmware_profiles.twin.mishaps import RESTART_MS, SECOND_MS, Mishap, Mishaps


class Breakable(Protocol):
    """Whose processes they are."""

    def lose_server(self) -> None:
        """The MQTT server is gone at once, with its memory."""
        ...

    def restore_server(self) -> None:
        """It listens again."""
        ...

    def kill_validator(self, number: int) -> None:
        """As `kill -9`."""
        ...

    def start_validator(self, number: int) -> None:
        """From its disk."""
        ...


class Troubles:
    """Does what is due whenever it is asked to; `note` is told of each fault. A fault of what is broken
    already is none."""

    def __init__(self, mishaps: Mishaps, cast: Breakable, note: Callable[[Mishap, str], None]) -> None:
        self._mishaps = mishaps
        self._cast = cast
        self._note = note
        self._steps: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._passed_ms = 0
        self._broken: set[str] = set()

    def lose_server(self) -> None:
        """Expect its outages."""
        lasts_ms = self._mishaps.outage_ms

        def strike() -> None:
            if self._breaks("server"):
                self._note(Mishap.MQTT_OUTAGE, f"MQTT server away for {lasts_ms // SECOND_MS} s")
                self._cast.lose_server()
                self._later(lasts_ms, lambda: self._mend("server", self._cast.restore_server))

        self._expect(self._mishaps.outages(), strike)

    def crash_validator(self, number: int) -> None:
        """Expect crashes of one validator."""
        name = f"validator {number}"

        def strike() -> None:
            if self._breaks(name):
                self._note(Mishap.VALIDATOR_CRASH, f"process of {name}")
                self._cast.kill_validator(number)
                self._later(RESTART_MS, lambda: self._mend(name, lambda: self._cast.start_validator(number)))

        self._expect(self._mishaps.validator_crashes(number), strike)

    def run_due(self, passed_ms: int) -> None:
        """Everything that is due so many milliseconds after the beginning."""
        self._passed_ms = passed_ms
        while self._steps and self._steps[0][0] <= passed_ms:
            heapq.heappop(self._steps)[2]()

    def _expect(self, moments: Iterator[int], strike: Callable[[], None]) -> None:
        at_ms = next(moments, None)
        if at_ms is None:
            return

        def fire() -> None:
            strike()
            self._expect(moments, strike)

        self._push(at_ms, fire)

    def _breaks(self, what: str) -> bool:
        was_whole = what not in self._broken
        self._broken.add(what)
        return was_whole

    def _mend(self, what: str, mend: Callable[[], None]) -> None:
        mend()
        self._broken.discard(what)

    def _later(self, delay_ms: int, step: Callable[[], None]) -> None:
        self._push(self._passed_ms + delay_ms, step)

    def _push(self, due_ms: int, step: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._steps, (due_ms, self._order, step))
