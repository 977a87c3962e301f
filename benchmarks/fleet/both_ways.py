"""One small fleet emulated, and simulated for the same virtual time: how far they agree."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.fleet.kept import Row
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.emulate.plan import Emulation
from firmware_profiles.emulate.run import EmulationRun
from firmware_profiles.profiles.fleet import Fleet
from firmware_profiles.report.agreement import agreement
from firmware_profiles.report.record import RunRecord
from firmware_profiles.simulate.run import Plan, Rehearsal, Training

FLEET = "home"
ROUNDS_A_DAY = 24
APART_SHOWN_MAX = 9


@dataclass(frozen=True, slots=True)
class Pair:
    """How many boards, for how many rounds of an hour, how fast."""

    devices: int
    rounds: int
    speed: float


def small_fleet(devices: int) -> Fleet:
    """The shipped homes as they are, with so many boards. Their rounds last an hour: in one of a quarter of
    it, two boards would train."""
    fleet = read_catalogue().fleet(FLEET).resized(devices)
    return replace(fleet, job=replace(fleet.job, rounds_a_day=ROUNDS_A_DAY))


def both_ways(pair: Pair) -> tuple[RunRecord, RunRecord]:
    """Emulated, then simulated, from one seed."""
    catalogue, fleet = read_catalogue(), small_fleet(pair.devices)
    with tempfile.TemporaryDirectory(prefix="both-ways-") as folder:
        emulation = Emulation(fleet, catalogue, Path(folder) / "run", fleet.seed, pair.speed, pair.rounds)
        emulated = EmulationRun(emulation).run()
    plan = Plan(fleet, catalogue, emulated.span_ms, fleet.seed, Training.REAL)
    return emulated, Rehearsal(plan).run()


def rows(pair: Pair) -> Iterator[Row]:
    """See `agreement`."""
    emulated, simulated = both_ways(pair)
    found = agreement(emulated, simulated)
    said = f"{pair.devices} devices, {found.rounds} rounds, {found.work} times a device trained in a round"
    apart = [f"device {device} in round {at}" for at, device in found.apart[:APART_SHOWN_MAX]]
    said += f", {found.moved} of them one round apart"
    said += f"; {len(found.apart)} in one way only: {', '.join(apart)}" if apart else ""
    yield "simulate against emulate: agree on who trained", found.who_trained, said
    joules = f"{emulated.joules:.0f} J and {simulated.joules:.0f} J"
    yield "simulate against emulate: joules", found.joules, joules
    ends = [f"{one.rounds[found.rounds - 1].accuracy or 0:.3f}" for one in (emulated, simulated)]
    yield "simulate against emulate: accuracy", found.accuracy, " and ".join(ends)
