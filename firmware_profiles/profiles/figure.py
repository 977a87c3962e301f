"""A figure is a number with its unit, where it comes from, and how far that is to be believed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Provenance(Enum):
    """How a figure came about, most trustworthy first. Nothing ever moves up without a new source."""

    MEASURED = "measured"
    """By us, on the thing itself; the source says how."""
    PUBLISHED = "published"
    """Read in the source it names."""
    RECALLED = "recalled"
    """The source is known to say so, but was not opened again."""
    ESTIMATED = "estimated"
    """Derived, scaled or chosen by us; the source says from what."""


class Unit(Enum):
    """Every unit a figure may have; the limits catch slips of the pen, not bad boards."""

    WATT = "W"
    WATT_HOUR = "Wh"
    SECOND = "s"
    MILLISECOND = "ms"
    HOUR = "h"
    CELSIUS = "°C"
    KELVIN_PER_WATT = "K/W"
    MEGABIT_PER_SECOND = "Mbit/s"
    JOULE_PER_MEGABYTE = "J/MB"
    VOLT = "V"
    MEBIBYTE = "MiB"
    GIGAHERTZ = "GHz"
    GIGAFLOPS = "GFLOPS"
    MIPS = "MIPS"
    DEGREE = "°"
    PER_DAY = "1/d"
    SHARE = "share"
    COUNT = "count"

    @property
    def limits(self) -> tuple[float, float]:
        """Least and greatest value."""
        return _LIMITS.get(self, (0.0, 1e6))


_LIMITS = {Unit.CELSIUS: (-60.0, 150.0), Unit.DEGREE: (-90.0, 90.0), Unit.SHARE: (0.0, 1.0)}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, or the range over which sources disagree; `low` equals `high` when they do not."""

    low: float
    high: float
    unit: Unit
    provenance: Provenance
    source: str

    @property
    def typical(self) -> float:
        """What the twin computes with: the middle of the range."""
        return (self.low + self.high) / 2

    def __str__(self) -> str:
        number = f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"
        return f"{number} {self.unit.value}"


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (share, value) with rising shares from 0 to 1, straight between them."""

    points: tuple[tuple[float, float], ...]
    unit: Unit
    provenance: Provenance
    source: str

    def at(self, share: float) -> float:
        """The value at a share; outside 0 to 1 that of the nearer end."""
        (left, before), *rest = self.points
        for right, after in rest:
            if share <= right:
                return before + (after - before) * max(0.0, share - left) / (right - left)
            left, before = right, after
        return before

    def __str__(self) -> str:
        (_, first), *_, (_, last) = self.points
        return f"{first:g} to {last:g} {self.unit.value}, {len(self.points)} points"


@dataclass(frozen=True, slots=True)
class Fact:
    """Words instead of a number, such as an operating system; for the rest like a figure."""

    text: str
    provenance: Provenance
    source: str

    def __str__(self) -> str:
        return self.text
