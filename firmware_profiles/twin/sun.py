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
        day = int(time_s // DAY_S)
        rest, swing = self._height(day)
        return self._scale_w(day) * max(0.0, rest + swing * cos(self._angle(time_s, day)))

    def energy_j(self, from_s: float, until_s: float) -> float:
        """In a span of time: the integral of `watts`, piece by piece of daylight."""
        total = 0.0
        for day in range(int(from_s // DAY_S), int(until_s // DAY_S) + 1):
            rest, swing = self._height(day)
            rise_s, set_s = self._light_s(day, 0.0)
            begin_s, end_s = max(from_s, rise_s), min(until_s, set_s)
            if begin_s < end_s:
                arc = sin(self._angle(end_s, day)) - sin(self._angle(begin_s, day))
                total += self._scale_w(day) * (rest * (end_s - begin_s) + swing / SPIN * arc)
        return total

    def turns_s(self, from_s: float, until_s: float, watts: float) -> list[float]:
        """When the panel begins or ceases to give more than `watts`, in order."""
        days = range(int(from_s // DAY_S), int(until_s // DAY_S) + 1)
        light = (self._light_s(day, watts) for day in days)
        times = {time_s for begin_s, end_s in light if begin_s < end_s for time_s in (begin_s, end_s)}
        return sorted(time_s for time_s in times if from_s < time_s < until_s)

    def _light_s(self, day: int, watts: float) -> tuple[float, float]:
        """From when until when on a day the panel gives more than `watts`; the same time twice if never."""
        rest, swing = self._height(day)
        scale_w = self._scale_w(day)
        noon_s = (day + 0.5) * DAY_S
        if not scale_w or not swing:
            return noon_s, noon_s
        angle = acos(min(1.0, max(-1.0, (watts / scale_w - rest) / swing)))
        return noon_s - angle / SPIN, noon_s + angle / SPIN

    def _height(self, day: int) -> tuple[float, float]:
        """Constant part and swing of sin(height) over the day."""
        of_year = self._sky.first_day + day - SOLSTICE_DAY
        declination = radians(TILT_DEG) * cos(2 * pi * of_year / YEAR_DAYS)
        latitude = radians(self._sky.latitude_deg)
        return sin(latitude) * sin(declination), cos(latitude) * cos(declination)

    def _scale_w(self, day: int) -> float:
        light = self._sky.cloudy_light if self.is_cloudy(day) else self._sky.clear_light
        return self._peak_w * light

    @staticmethod
    def _angle(time_s: float, day: int) -> float:
        return (time_s - (day + 0.5) * DAY_S) * SPIN
