"""When the device is connected: one burst of radio, then sleep (docs/adr/0014-radio-burst.md).

CONNECTING ─ link ─► AWAKE ─ nothing to say ─► ASLEEP ─ due, or something to say ─► CONNECTING
     └─ no link in time ──┴─ silence ─► ASLEEP, after a back-off
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from edge_client.core.conditions.readings import Conditions, known
from edge_client.core.timing import doubled, earliest

CONNECT_MS_MAX = 60_000
"""A server that is not reached for so long is absent."""
SILENCE_MS_MAX = 60_000
"""A burst ends when nothing came for so long: nobody answers."""
BURST_MS_MAX = 900_000
"""No burst is longer, whatever comes."""
WORDS_MS_MAX = 10_000
"""For the words of f+1 validators that the head is the latest; without them a burst ends all the same."""
SLEEP_MS_MIN = 30_000
"""Shorter waits are spent connected: the radio would hardly be off."""
REST_MS_MIN = 1_800_000
"""Where a connection costs little, it is given up for waits so long that are known beforehand; below, a
reconnect costs as much as the pings."""
RETRY_MS_MIN, RETRY_MS_MAX = 30_000, 3_600_000
"""Between wake-ups that bring nothing new; doubles."""
RETRY_SPREAD = 0.2
MODEM = "modem"


class Sleep(str, Enum):
    """The owner's setting `mqtt.sleep`."""

    AUTO = "auto"
    """On battery, and on a link whose radio stays on after each packet; elsewhere through long rests."""
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Errand:
    """What the link is needed for now (None: for nothing), and when and why it will be needed next. `height`
    is that of the head; `has_words`: it is known to be the latest; `rests`: nothing will be wanted before
    `wake_ms`, whatever the chain does; `busy_until_ms`: then it may be needed for nothing all the same."""

    busy: str | None
    wake_ms: int
    because: str
    height: int
    has_words: bool
    rests: bool = False
    busy_until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """While asleep: until when (Unix ms), unless there is something to say before, and why."""

    until_ms: int
    because: str


class Bursts:
    """Decides when to connect and when to leave. `chance` gives a new number of [0, 1) at every call."""

    def __init__(self, setting: Sleep, chance: Callable[[], float]) -> None:
        self._setting = setting
        self._chance = chance
        self._conditions: Conditions | None = None
        self._linked = False
        self._since_ms: int | None = None
        """When the present state began."""
        self._heard_ms = 0
        self._height = -1
        self._wait_ms = RETRY_MS_MIN
        self._retry_ms = 0
        """No wake-up by plan before; what is to be said goes before `_failed_until_ms` only."""
        self._failed_until_ms = 0
        self._due_ms: int | None = None
        self.plan: Plan | None = None
        """None while awake."""
        self._rests = False
        """Asleep for a long rest only."""

    @property
    def wants_sleep(self) -> bool:
        """Whether this board should sleep by the owner's setting and its last readings."""
        seen = self._conditions
        if self._setting != Sleep.AUTO or seen is None:
            return self._setting == Sleep.ALWAYS
        on_battery = seen.has_battery and known(seen.mains) is not True
        return on_battery or known(seen.link) == MODEM

    def may_rest(self, until_ms: int | None, now_ms: int) -> bool:
        """Whether gates that are closed until then are worth leaving for, where a connection costs little."""
        return self._setting == Sleep.AUTO and until_ms is not None and until_ms - now_ms >= REST_MS_MIN

    def read(self, conditions: Conditions) -> None:
        """What the board runs on now."""
        self._conditions = conditions

    def link_up(self, now_ms: int) -> None:
        """The burst begins."""
        self._linked, self._since_ms, self._heard_ms = True, now_ms, now_ms

    def link_lost(self, now_ms: int) -> None:
        """The transport connects again by itself; for a while it may."""
        self._linked, self._since_ms = False, now_ms

    def heard(self, now_ms: int) -> None:
        """Something came over the link."""
        self._heard_ms = now_ms

    def hasten(self) -> None:
        """The owner said something: no back-off holds it up."""
        self._failed_until_ms = 0

    def deadline(self) -> int | None:
        """When `advance` may decide otherwise."""
        return self._due_ms if self.plan is not None or self.wants_sleep else None

    def advance(self, errand: Errand, now_ms: int) -> bool | None:
        """Whether to go online (True) or offline (False) now; None to stay as it is."""
        if self._since_ms is None:
            self._since_ms = now_ms
        if self.plan is not None:
            return self._wake(errand, now_ms, self._since_ms)
        if not self.wants_sleep:
            return self._rest(errand, now_ms)
        if self._linked and errand.busy is None:
            return self._done(errand, now_ms, self._since_ms)
        ends_ms = self._since_ms + CONNECT_MS_MAX
        if self._linked:
            ends_ms = min(self._heard_ms + SILENCE_MS_MAX, self._since_ms + BURST_MS_MAX)
        self._due_ms = earliest(ends_ms, errand.busy_until_ms)
        if now_ms < ends_ms:
            return None
        self._failed_until_ms = self._retry_ms = now_ms + self._next_wait_ms()
        return self._sleep(errand, now_ms)

    def _rest(self, errand: Errand, now_ms: int) -> bool | None:
        is_wanted = errand.busy is not None or not errand.rests
        if is_wanted or not self._linked or not self.may_rest(errand.wake_ms, now_ms):
            return None
        self._rests = True
        return self._sleep(errand, now_ms)

    def _wake(self, errand: Errand, now_ms: int, since_ms: int) -> bool | None:
        plan = self._plan(errand)
        has_jumped_back = now_ms < since_ms
        if now_ms < plan.until_ms and (self.wants_sleep or self._rests) and not has_jumped_back:
            self.plan, self._due_ms = plan, plan.until_ms
            return None
        self.plan, self._due_ms, self._rests = None, now_ms + CONNECT_MS_MAX, False
        self._linked, self._since_ms = False, now_ms
        return True

    def _done(self, errand: Errand, now_ms: int, since_ms: int) -> bool | None:
        """Nothing is under way."""
        if self._failed_until_ms:
            self._failed_until_ms, self._wait_ms = 0, RETRY_MS_MIN
        if errand.height != self._height:
            self._height, self._retry_ms, self._wait_ms = errand.height, 0, RETRY_MS_MIN
        words_ms = since_ms + WORDS_MS_MAX
        if not errand.has_words and now_ms < words_ms:
            self._due_ms = words_ms
            return None
        if self._plan(errand).until_ms <= now_ms:
            self._retry_ms = now_ms + self._next_wait_ms()
        until_ms = self._plan(errand).until_ms
        if until_ms - now_ms < SLEEP_MS_MIN:
            self._due_ms = until_ms
            return None
        return self._sleep(errand, now_ms)

    def _plan(self, errand: Errand) -> Plan:
        if errand.busy is not None:
            return Plan(self._failed_until_ms, errand.busy)
        return Plan(max(errand.wake_ms, self._retry_ms), errand.because)

    def _sleep(self, errand: Errand, now_ms: int) -> bool:
        self.plan = self._plan(errand)
        self._due_ms = self.plan.until_ms
        self._linked, self._since_ms = False, now_ms
        return False

    def _next_wait_ms(self) -> int:
        wait_ms = self._wait_ms
        self._wait_ms = doubled(wait_ms, RETRY_MS_MAX)
        return round(wait_ms * (1 + RETRY_SPREAD * (2 * self._chance() - 1)))
