"""State of charge of a battery that feeds a board, with mains, a panel, or nothing beside it.

While load and supply keep their sign against each other the charge only rises or only falls, so its way
through a threshold lies in one such piece, where it is found by the exact integral.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import inf
from typing import Protocol

WH_J = 3600
CROSSING_S = 1e-4
"""Crossings are found to this precision, a tenth of what a millisecond shows."""


class Supply(Protocol):
    """What feeds the board beside the battery; `Sun` is one."""

    def watts(self, time_s: float) -> float:
        """At a time."""
        ...

    def energy_j(self, from_s: float, until_s: float) -> float:
        """The integral of `watts`."""
        ...

    def turns_s(self, from_s: float, until_s: float, watts: float) -> list[float]:
        """When it begins or ceases to give more than `watts`, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Steady:
    """A supply that always gives the same: mains, or nothing."""

    steady_w: float

    def watts(self, time_s: float) -> float:
        """At any time."""
        return self.steady_w + 0 * time_s

    def energy_j(self, from_s: float, until_s: float) -> float:
        """In a span of time."""
        return self.steady_w * (until_s - from_s)

    def turns_s(self, from_s: float, until_s: float, watts: float) -> list[float]:  # noqa: ARG002 (its protocol)
        """It never turns."""
        return []


NOTHING = Steady(0.0)
MAINS = Steady(1000.0)
"""More than any board and charger take."""


@dataclass(frozen=True, slots=True)
class Store:
    """A battery: what it gives the board when full, and how fast and how well it takes charge."""

    capacity_j: float
    charge_w: float
    charge_share: float


class Charge:
    """What is in a battery, from one moment to the next."""

    def __init__(self, store: Store, share: float) -> None:
        """`share` is of its capacity."""
        self.store = store
        self.level_j = store.capacity_j * share

    @property
    def share(self) -> float:
        """Of the capacity, 0 to 1."""
        return self.level_j / self.store.capacity_j

    def advance(self, from_s: float, until_s: float, load_w: float, supply: Supply) -> None:
        """Let a span of time with this load pass."""
        for begin_s, end_s in self._pieces(from_s, until_s, load_w, supply):
            self.level_j = self._after(self.level_j, (begin_s, end_s), load_w, supply)

    def crosses_s(
        self, shares: Iterable[float], span_s: tuple[float, float], load_w: float, supply: Supply
    ) -> float:
        """When, within a span of time, the charge first goes through one of these shares of the capacity (to
        empty and to full it comes, not through); infinite if it does not."""
        targets_j = [share * self.store.capacity_j for share in shares]
        level_j = self.level_j
        for piece_s in self._pieces(*span_s, load_w, supply):
            after_j = self._after(level_j, piece_s, load_w, supply)
            passed = [one for one in targets_j if level_j < one <= after_j or level_j > one >= after_j]
            if passed:
                target_j = min(passed, key=partial(_distance, level_j))
                return self._found(level_j, target_j, piece_s, load_w, supply)
            level_j = after_j
        return inf

    def _pieces(
        self, from_s: float, until_s: float, load_w: float, supply: Supply
    ) -> Iterator[tuple[float, float]]:
        """Spans in which the supply stays on one side of the load, and of load and charger together."""
        charging_w = load_w + self.store.charge_w
        turns_s = [*supply.turns_s(from_s, until_s, load_w), *supply.turns_s(from_s, until_s, charging_w)]
        if turns_s:
            yield from pairwise(sorted({from_s, until_s, *turns_s}))
        elif until_s > from_s:
            yield from_s, until_s

    def _after(self, level_j: float, piece_s: tuple[float, float], load_w: float, supply: Supply) -> float:
        gained_j = self._gained_j(piece_s, load_w, supply)
        return min(self.store.capacity_j, max(0.0, level_j + gained_j))

    def _gained_j(self, piece_s: tuple[float, float], load_w: float, supply: Supply) -> float:
        """In a piece, or in a part of one, if the battery were neither full nor empty."""
        begin_s, end_s = piece_s
        middle_w = supply.watts((begin_s + end_s) / 2)
        if middle_w >= load_w + self.store.charge_w:
            return self.store.charge_w * (end_s - begin_s) * self.store.charge_share
        spare_j = supply.energy_j(begin_s, end_s) - load_w * (end_s - begin_s)
        return spare_j * self.store.charge_share if middle_w > load_w else spare_j

    def _found(
        self, level_j: float, target_j: float, piece_s: tuple[float, float], load_w: float, supply: Supply
    ) -> float:
        """When the target is reached in a piece in which it is: Newton's steps, and where one leads out of
        what is known to hold the time, half of that."""
        begin_s, end_s = low_s, high_s = piece_s
        is_rising = target_j > level_j
        guess_s = end_s
        while high_s - low_s > CROSSING_S:
            rate_w = self._rate_w(guess_s, load_w, supply)
            missing_j = target_j - level_j - self._gained_j((begin_s, guess_s), load_w, supply)
            if missing_j <= 0 if is_rising else missing_j >= 0:
                high_s = guess_s
            else:
                low_s = guess_s
            step_s = missing_j / rate_w if rate_w else inf
            guess_s = guess_s + step_s + (CROSSING_S / 2 if step_s < 0 else -CROSSING_S / 2)
            if not low_s < guess_s < high_s:
                guess_s = (low_s + high_s) / 2
        return high_s

    def _rate_w(self, time_s: float, load_w: float, supply: Supply) -> float:
        """What goes into the battery at a time; below 0 what comes out."""
        spare_w = min(supply.watts(time_s) - load_w, self.store.charge_w)
        return spare_w * self.store.charge_share if spare_w > 0 else spare_w


def _distance(here: float, there: float) -> float:
    return abs(here - there)
