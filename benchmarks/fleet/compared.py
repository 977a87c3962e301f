"""Rows of `edge-fleet compare`: ours against naive and android on the shipped fleets; the worst counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fleet.kept import Row
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.compare.cases import Case, Situation, cases, parameters
from firmware_profiles.compare.outcome import Outcome
from firmware_profiles.compare.policies import Policy
from firmware_profiles.compare.results import Results
from firmware_profiles.compare.run import rehearse_all
from firmware_profiles.compare.scores import Comparison
from firmware_profiles.compare.scores import compare as score
from firmware_profiles.compare.study import Study

POLICIES = (Policy.NAIVE, Policy.ANDROID, Policy.OURS)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a fleet is rehearsed in each run."""

    devices: int
    hours: float


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is rehearsed, by fleet."""

    fleets: Mapping[str, Extent]
    seeds: int
    moved_seeds: int


@dataclass(frozen=True, slots=True)
class OneFleet:
    """The comparison of one fleet, and what of it has been rehearsed."""

    name: str
    study: Study
    wanted: tuple[Case, ...]
    results: Results

    def rehearse(self, situation: Situation, say: Callable[[str], None]) -> None:
        """What is missing of one situation; nothing where the fleet has no such parameter."""

        def done(one: Outcome) -> None:
            self.results.add(one)
            say(f"{self.name}: {one.case.name}, {one.wall_s:.0f} s")

        here = (case for case in self.wanted if case.situation == situation)
        rehearse_all(self.study, self.results.missing(here), done)


def compared(folder: Path, amount: Amount, say: Callable[[str], None]) -> dict[str, Comparison]:
    """Each fleet; what an earlier, stopped run has rehearsed in this folder is not rehearsed again. One
    situation after the other, of all fleets, first those as given: who stops it has whole comparisons."""
    catalogue = read_catalogue()
    comparisons = []
    for name, each in amount.fleets.items():
        study = Study.of(catalogue, name, each.devices, each.hours)
        wanted = cases(POLICIES, amount.seeds, amount.moved_seeds, parameters(study.fleet))
        comparisons.append(OneFleet(name, study, wanted, Results(folder / name, study.described(name))))
    for situation in dict.fromkeys(case.situation for one in comparisons for case in one.wanted):
        for one in comparisons:
            one.rehearse(situation, say)
    return {one.name: score(one.results.of(one.wanted)) for one in comparisons}


def rows(found: Mapping[str, Comparison], amount: Amount) -> Iterator[Row]:
    """The worst fleet and setting of each figure, and all fleets in the note."""
    scores = [one for each in found.values() for one in each.scores if one.policy is Policy.OURS]
    extents = (f"{name} ({one.devices} devices, {one.hours:g} h)" for name, one in amount.fleets.items())
    size = f"{', '.join(extents)}; {amount.seeds} seeds"
    seeds = f"each parameter they have moved by 30 %, {amount.moved_seeds} seeds"
    moved = seeds if amount.moved_seeds else "none moved"
    runs = f"{sum(one.runs for one in scores)} runs of ours: {size}; {moved}"
    yield (
        "compare: batteries under the owner's floor with ours",
        sum(one.floor_breaks for one in scores),
        runs,
    )
    for name, figure, other in (
        ("compare: joules of ours to the same accuracy", "joules", Policy.NAIVE),
        ("compare: time to accuracy of ours against naive", "hours", Policy.NAIVE),
        ("compare: time to accuracy of ours against android", "hours", Policy.ANDROID),
    ):
        ratios = {fleet: each.worst_ratio(figure, Policy.OURS, other) for fleet, each in found.items()}
        known = [one for one in ratios.values() if one is not None]
        note = ", ".join(f"{fleet} {one:.2f}" for fleet, one in ratios.items() if one is not None)
        yield name, max(known) if len(known) == len(ratios) else None, f"worst setting of each fleet: {note}"
