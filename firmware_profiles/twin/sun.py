"""What a panel gives: the sun's height above a flat panel, clear and cloudy days, all in closed form.

sin(height) = sin(latitude) sin(declination) + cos(latitude) cos(declination) cos(hour angle), with the
declination of the day and an hour angle that is zero at local noon. The panel gives that share of its peak
power, times the light of the day. Whether a day is cloudy depends on the day before (a Markov chain).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import acos, cos, pi, radians, sin

DAY_S = 86_400
SPIN = 2 * pi / DAY_S
"""Hour angle a second."""
TILT_DEG = 23.44
SOLSTICE_DAY = 172
YEAR_DAYS = 365
DAYS_KEPT = 8
"""So many days are computed once only."""


@dataclass(frozen=True, slots=True)
class Sky:
    """Where and when, and how the weather goes. Shares: `clear_light` and `cloudy_light` of the panel's peak
    that arrive with the sun overhead; the chance of clouds after a clear and after a cloudy day."""

    latitude_deg: float
    first_day: int
    clear_light: float
    cloudy_light: float
    cloudy_after_clear: float
    cloudy_after_cloudy: float


class Sun:
    """The sun over one panel of `peak_w`. `draw(n)` gives the random number of day n. Times are seconds since
    the local midnight at which the first day begins."""

    def __init__(self, sky: Sky, peak_w: float, draw: Callable[[int], float]) -> None:
        self._sky = sky
        self._peak_w = peak_w
        self._draw = draw
        self._cloudy: list[bool] = []
        self._days: dict[int, _Day] = {}

    def is_cloudy(self, day: int) -> bool:
        """Whether day 0, 1, … is."""
        sky = self._sky
        while len(self._cloudy) <= day:
            steady = sky.cloudy_after_clear / (1 - sky.cloudy_after_cloudy + sky.cloudy_after_clear)
            chance = sky.cloudy_after_clear
            if not self._cloudy:
                chance = steady
            elif self._cloudy[-1]:
                chance = sky.cloudy_after_cloudy
            self._cloudy.append(self._draw(len(self._cloudy)) < chance)
        return self._cloudy[day]

    def watts(self, time_s: float) -> float:
        """At a time."""
        day = self._day(int(time_s // DAY_S))
        return max(0.0, day.watts(time_s))

    def energy_j(self, from_s: float, until_s: float) -> float:
        """In a span of time: the integral of `watts`, piece by piece of daylight."""
        total = 0.0
        for number in range(int(from_s // DAY_S), int(until_s // DAY_S) + 1):
            day = self._day(number)
            begin_s, end_s = max(from_s, day.rises_s), min(until_s, day.sets_s)
            if begin_s < end_s:
                total += day.energy_j(begin_s, end_s)
        return total

    def turns_s(self, from_s: float, until_s: float, watts: float) -> list[float]:
        """When the panel begins or ceases to give more than `watts`, in order."""
        days = range(int(from_s // DAY_S), int(until_s // DAY_S) + 1)
        spans = (self._day(number).above_s(watts) for number in days)
        times = {time_s for begin_s, end_s in spans if begin_s < end_s for time_s in (begin_s, end_s)}
        return sorted(time_s for time_s in times if from_s < time_s < until_s)

    def _day(self, number: int) -> _Day:
        found = self._days.get(number)
        if found is None:
            if len(self._days) >= DAYS_KEPT:
                self._days.clear()
            found = self._days[number] = self._made(number)
        return found

    def _made(self, number: int) -> _Day:
        sky = self._sky
        of_year = sky.first_day + number - SOLSTICE_DAY
        declination = radians(TILT_DEG) * cos(2 * pi * of_year / YEAR_DAYS)
        latitude = radians(sky.latitude_deg)
        scale_w = self._peak_w * (sky.cloudy_light if self.is_cloudy(number) else sky.clear_light)
        rest_w = scale_w * sin(latitude) * sin(declination)
        return _Day((number + 0.5) * DAY_S, rest_w, scale_w * cos(latitude) * cos(declination))


class _Day:
    """One day of a panel: what it gives is rest + swing · cos(hour angle), as long as that is above 0."""

    def __init__(self, noon_s: float, rest_w: float, swing_w: float) -> None:
        self._noon_s = noon_s
        self._rest_w = rest_w
        self._swing_w = swing_w
        self.rises_s, self.sets_s = self.above_s(0.0)

    def watts(self, time_s: float) -> float:
        """At a time of the day; below 0 at night."""
        return self._rest_w + self._swing_w * cos((time_s - self._noon_s) * SPIN)

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Of a span between sunrise and sunset."""
        arc = sin((end_s - self._noon_s) * SPIN) - sin((begin_s - self._noon_s) * SPIN)
        return self._rest_w * (end_s - begin_s) + self._swing_w / SPIN * arc

    def above_s(self, watts: float) -> tuple[float, float]:
        """From when until when it gives more than `watts`; the same time twice if never."""
        if not self._swing_w:
            return self._noon_s, self._noon_s
        angle = acos(min(1.0, max(-1.0, (watts - self._rest_w) / self._swing_w)))
        return self._noon_s - angle / SPIN, self._noon_s + angle / SPIN
