"""Temperature of a board, first order towards ambient + resistance · power, and what the system does then.

At a trip point the governor of a real board slows the clock just as far as it must. So a hot board either
goes on heating at the trip's least speed, or stays at the trip temperature with the speed that just keeps it
there. Between two changes of load that gives a few phases, each an exponential; none is stepped through.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log

from firmware_profiles.profiles.board import Thermal


@dataclass(frozen=True, slots=True)
class Load:
    """What the board draws: `base_w` whatever it does, and `busy_w` more for work at full speed."""

    base_w: float
    busy_w: float

    def watts(self, speed: float) -> float:
        """At a share of full speed."""
        return self.base_w + self.busy_w * speed


@dataclass(frozen=True, slots=True)
class Phase:
    """From `start_s` on the temperature goes from `from_c` to `to_c`, and work is done at `speed`."""

    start_s: float
    from_c: float
    to_c: float
    speed: float

    def at(self, time_s: float, time_constant_s: float) -> float:
        """°C at a time in this phase."""
        return self.to_c + (self.from_c - self.to_c) * exp((self.start_s - time_s) / time_constant_s)

    def reaches_s(self, target_c: float, time_constant_s: float) -> float:
        """When it will be `target_c`; infinite if it never will. An end is approached, not reached."""
        left, whole = target_c - self.to_c, self.from_c - self.to_c
        if not whole or not 0 < left / whole <= 1:
            return inf
        return self.start_s - time_constant_s * log(left / whole)


class Course:
    """What temperature and speed will be while nothing else changes; it goes one way only, up or down."""

    def __init__(self, phases: tuple[Phase, ...], time_constant_s: float) -> None:
        self.phases = phases
        self._time_constant_s = time_constant_s

    def temperature_c(self, time_s: float) -> float:
        """At a time."""
        return self._phase(time_s).at(time_s, self._time_constant_s)

    def speed(self, time_s: float) -> float:
        """Share of full speed at a time."""
        return self._phase(time_s).speed

    def crosses_s(self, threshold_c: float) -> float:
        """When the temperature first goes through the threshold; infinite if it never does."""
        if self.phases[0].from_c == threshold_c:
            return inf
        ends = (*(phase.start_s for phase in self.phases[1:]), inf)
        for phase, end_s in zip(self.phases, ends, strict=True):
            found_s = phase.reaches_s(threshold_c, self._time_constant_s)
            if found_s <= end_s:
                return found_s
        return inf

    def next_phase_s(self, after_s: float) -> float:
        """When the speed changes next; infinite if it never does."""
        return next((phase.start_s for phase in self.phases if phase.start_s > after_s), inf)

    def _phase(self, time_s: float) -> Phase:
        return next(phase for phase in reversed(self.phases) if phase.start_s <= time_s)


class Heat:
    """The thermal model of a board in its surroundings."""

    def __init__(self, thermal: Thermal, ambient_c: float | None = None) -> None:
        """`ambient_c` is that of the place; left out, the profile's."""
        self.ambient_c = thermal.ambient.typical if ambient_c is None else ambient_c
        self._resistance = thermal.resistance.typical
        self._time_constant_s = thermal.time_constant.typical
        self._trips_c = tuple(trip.at.typical for trip in thermal.trips)
        self._speeds = (1.0, *(trip.speed.typical for trip in thermal.trips))

    @property
    def trip_c(self) -> float | None:
        """The lowest temperature at which the system slows down."""
        return self._trips_c[0] if self._trips_c else None

    def settles_c(self, watts: float) -> float:
        """Where the temperature ends at this power."""
        return self.ambient_c + self._resistance * watts

    def course(self, temperature_c: float, load: Load, start_s: float = 0.0) -> Course:
        """What will happen from this temperature and time on with this load."""
        phases = [self._phase(start_s, temperature_c, load)]
        while True:
            last = phases[-1]
            border_c = self._border_c(last)
            if border_c is None:
                break
            start_s = last.reaches_s(border_c, self._time_constant_s)
            phases.append(self._phase(start_s, border_c, load))
        return Course(tuple(phases), self._time_constant_s)

    def _phase(self, start_s: float, temperature_c: float, load: Load) -> Phase:
        """What begins at this temperature."""
        above = sum(trip_c < temperature_c for trip_c in self._trips_c)
        to_c = self.settles_c(load.watts(self._speeds[above]))
        if temperature_c not in self._trips_c or to_c <= temperature_c:
            return Phase(start_s, temperature_c, to_c, self._speeds[above])
        hot_c = self.settles_c(load.watts(self._speeds[above + 1]))
        if hot_c > temperature_c:
            return Phase(start_s, temperature_c, hot_c, self._speeds[above + 1])
        spare_w = (temperature_c - self.ambient_c) / self._resistance - load.base_w
        return Phase(start_s, temperature_c, temperature_c, spare_w / load.busy_w)

    def _border_c(self, phase: Phase) -> float | None:
        """The trip temperature at which a phase ends."""
        low, high = sorted((phase.from_c, phase.to_c))
        between = [trip_c for trip_c in self._trips_c if low < trip_c < high]
        if not between:
            return None
        return min(between) if phase.to_c > phase.from_c else max(between)
