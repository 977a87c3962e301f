"""What `edge-client calibrate` found out: the cost of a step on this board, and how its numbers are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from edge_client.core.conditions.gates import SOFT_LIMIT, THROTTLED, UNDER_VOLTAGE
from edge_client.core.conditions.readings import Conditions, known

STRETCHES = 10
"""The measured time is looked at in so many stretches, to see whether the board became slower."""
SLOWER_FACTOR = 1.25
"""Steps that take so much longer than in the first stretch, to the end, are slower and not merely uneven."""


@dataclass(frozen=True, slots=True)
class Times:
    """Steps that were timed, in ms; `p10_ms` and `p90_ms` are what a tenth stays below and goes above."""

    steps: int
    median_ms: float
    p10_ms: float
    p90_ms: float
    slower_after_s: float | None
    """Since when they took longer than at first; None if they did not."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the board, so many seconds after the measured steps began."""

    at_s: float
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class Power:
    """Watts of the whole board: doing nothing, and training. None where nobody knows."""

    idle_w: float | None = None
    load_w: float | None = None


def times_of(durations_ms: Sequence[float]) -> Times:
    """From the durations of the steps, in their order; raises `ValueError` without any."""
    if not durations_ms:
        raise ValueError("no step was measured")
    ordered = sorted(durations_ms)
    tenth = len(ordered) // 10
    return Times(
        len(ordered),
        median(ordered),
        ordered[tenth],
        ordered[-1 - tenth],
        _slower_after_s(durations_ms),
    )


def _slower_after_s(durations_ms: Sequence[float]) -> float | None:
    """Begin of the stretches, up to the last, in all of which the median step is slower than in the first."""
    size = len(durations_ms) // STRETCHES
    if not size:
        return None
    medians = [median(durations_ms[at * size : (at + 1) * size]) for at in range(STRETCHES)]
    first = STRETCHES
    while first > 1 and medians[first - 1] > SLOWER_FACTOR * medians[0]:
        first -= 1
    return None if first == STRETCHES else sum(durations_ms[: first * size]) / 1000


def throttled_after_s(looks: Sequence[Look]) -> float | None:
    """When the firmware first held the board back, or it first was as hot as where the system does so."""
    for look in looks:
        bits, heat_c, trip_c = (
            known(look.conditions.throttled_bits),
            known(look.conditions.temperature_c),
            known(look.conditions.trip_c),
        )
        held_back = bool((bits or 0) & (UNDER_VOLTAGE | THROTTLED | SOFT_LIMIT))
        if held_back or (heat_c is not None and trip_c is not None and heat_c >= trip_c):
            return look.at_s
    return None


def mean_w(looks: Sequence[Look]) -> float | None:
    """The mean power; None if no look knows it."""
    found = [watts for look in looks if (watts := known(look.conditions.power_w)) is not None]
    return fmean(found) if found else None


def highest_c(looks: Sequence[Look]) -> float | None:
    """The highest temperature; None if no look knows one."""
    found = [heat for look in looks if (heat := known(look.conditions.temperature_c)) is not None]
    return max(found, default=None)
