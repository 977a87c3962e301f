"""What the fleet file lets go wrong beside the devices: the MQTT server and validators die, and come back.

One plan and one way to follow it; how something is broken differs between simulated and emulated fleets, and
is told by their `Breakable`. What happens to a device is in `device.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from firmware_profiles.fleet.founding import MIDNIGHT_MS
from firmware_profiles.report.injected import Injected
from firmware_profiles.twin.mishaps import RESTART_MS, SECOND_MS, Mishap, Mishaps

SERVER = "MQTT server"


class Breakable(Protocol):
    """Whose server and validators they are."""

    @property
    def owns_server(self) -> bool:
        """Whether the MQTT server is ours to break."""
        ...

    @property
    def validators(self) -> range:
        """Those that are ours to break."""
        ...

    def now_ms(self) -> int:
        """Of the fleet's clock."""
        ...

    def later(self, delay_ms: int, step: Callable[[], None]) -> None:
        """Do something when so much time has passed."""
        ...

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
    """Makes them, from `begin` on. A fault of what is broken already is none."""

    def __init__(self, mishaps: Mishaps, stage: Breakable, injected: Injected) -> None:
        self._mishaps = mishaps
        self._stage = stage
        self._injected = injected
        self._broken: set[str] = set()

    def begin(self) -> None:
        """Expect everything that the plan says."""
        if self._stage.owns_server:
            self._expect(self._mishaps.outages(), self._lose_server)
        for number in self._stage.validators:
            self._expect(self._mishaps.validator_crashes(number), self._crasher(number))

    def _lose_server(self) -> None:
        if not self._breaks(SERVER):
            return
        lasts_ms = self._mishaps.outage_ms
        self._note(Mishap.MQTT_OUTAGE, f"{SERVER} away for {lasts_ms // SECOND_MS} s")
        self._stage.lose_server()
        self._stage.later(lasts_ms, self._mender(SERVER, self._stage.restore_server))

    def _crasher(self, number: int) -> Callable[[], None]:
        name = f"validator {number}"

        def crash() -> None:
            if self._breaks(name):
                self._note(Mishap.VALIDATOR_CRASH, f"process of {name}")
                self._stage.kill_validator(number)
                start = self._mender(name, lambda: self._stage.start_validator(number))
                self._stage.later(RESTART_MS, start)

        return crash

    def _expect(self, moments: Iterator[int], strike: Callable[[], None]) -> None:
        at_ms = next(moments, None)
        if at_ms is None:
            return

        def fire() -> None:
            strike()
            self._expect(moments, strike)

        self._stage.later(max(1, MIDNIGHT_MS + at_ms - self._stage.now_ms()), fire)

    def _breaks(self, what: str) -> bool:
        was_whole = what not in self._broken
        self._broken.add(what)
        return was_whole

    def _mender(self, what: str, mend: Callable[[], None]) -> Callable[[], None]:
        def back() -> None:
            mend()
            self._broken.discard(what)

        return back

    def _note(self, kind: Mishap, what: str) -> None:
        self._injected.note(self._stage.now_ms() - MIDNIGHT_MS, kind.value, what)
