"""Two-state patterns: online or away, plugged in or not, in use or not; by day another rhythm than by night.

Stays are exponential with a mean that depends on state and time of day, so the pattern is a Markov chain
whose rates change twice a day. The time of the next change comes out of one draw: the hazard is used up, from
one border of day and night to the next, until the draw is reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log

DAY_S = 86_400
TINY = 2.0**-53
STAY_S_MIN = 1.0
"""No stay is shorter, whatever is drawn: time goes on."""


@dataclass(frozen=True, slots=True)
class Stays:
    """Mean stays in seconds, on and off, by day and by night; night is from `night_from_s` to
    `night_until_s` of the local day and may go over midnight."""

    on_day_s: float
    off_day_s: float
    on_night_s: float
    off_night_s: float
    night_from_s: float
    night_until_s: float

    def __post_init__(self) -> None:
        if min(self.on_day_s, self.off_day_s, self.on_night_s, self.off_night_s) <= 0:
            raise ValueError("stays must be above 0")

    def is_night(self, local_s: float) -> bool:
        """At a time of the local day."""
        after, before = local_s >= self.night_from_s, local_s < self.night_until_s
        return (after or before) if self.night_from_s > self.night_until_s else (after and before)

    def mean_s(self, *, on: bool, night: bool) -> float:
        """Mean stay in a state."""
        if night:
            return self.on_night_s if on else self.off_night_s
        return self.on_day_s if on else self.off_day_s

    def share_on(self, *, night: bool) -> float:
        """Of the time, if it were always day or always night."""
        on_s = self.mean_s(on=True, night=night)
        return on_s / (on_s + self.mean_s(on=False, night=night))


class Pattern:
    """One device's pattern. `draw(n)` gives the n-th random number, evenly from 0 to 1."""

    def __init__(self, stays: Stays, draw: Callable[[int], float], start_s: float = 0.0) -> None:
        """Times are seconds since a local midnight."""
        self._stays = stays
        self._draw = draw
        night = stays.is_night(start_s % DAY_S)
        self.on = draw(0) < stays.share_on(night=night)
        self._draws = 1
        self.next_s = self._next_s(start_s)

    def advance(self, now_s: float) -> None:
        """Make all changes that are due."""
        while self.next_s <= now_s:
            self.on = not self.on
            self.next_s = self._next_s(self.next_s)

    def _next_s(self, now_s: float) -> float:
        now_s += STAY_S_MIN
        left = -log(max(TINY, 1 - self._draw(self._draws)))
        self._draws += 1
        while True:
            border_s = self._border_s(now_s)
            mean_s = self._stays.mean_s(on=self.on, night=self._stays.is_night(now_s % DAY_S))
            if left * mean_s <= border_s - now_s:
                return now_s + left * mean_s
            left -= (border_s - now_s) / mean_s
            now_s = border_s

    def _border_s(self, now_s: float) -> float:
        """When day becomes night or night day. Counted from midnights, for a difference to now may be too
        small to be added to it."""
        today_s = now_s // DAY_S * DAY_S
        borders = (self._stays.night_from_s, self._stays.night_until_s)
        return min(
            one
            for border_s in borders
            for one in (today_s + border_s, today_s + DAY_S + border_s)
            if one > now_s
        )
