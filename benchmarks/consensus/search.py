"""The exhaustive search, and the protocol mutants that it must find."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from benchmarks.figures import Value
from tests.simulation.consensus_checker import Report, search
from tests.simulation.consensus_mutants import MUTANTS
from tests.simulation.consensus_universe import Case, choices
from tests.simulation.test_consensus_checker import CASES

LARGE = Case(slots=2, proposals=2)
HELD_MAX, HELD_QUICK = 3, 2
"""Proposals of the second slot searched at a time. Three is all: an honest validator heeds one proposal a
slot (a test shows it), so whatever happens has happened among the three that the three of them hold."""
CRASHES = Case(slots=1, proposals=2, crashes=True)
LARGE_NAME = "exhaustive search, 2 slots x 2 proposals"
CRASHES_NAME = "exhaustive search, 1 slot x 2 proposals with crash-restart from the log"


def large(*, quick: bool) -> dict[str, Value]:
    """Minutes of CPU: two proposals on each parent, and those of slot 1 again; every choice of three in
    slot 2, or of two in the quick one. The states of all choices are added up; some are in more than one."""
    cases = choices(LARGE, HELD_QUICK if quick else HELD_MAX)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = [_figures(LARGE_NAME, report) for report in pool.map(search, cases)]
    print(f"  {len(cases)} choices of what is proposed in slot 2", flush=True)
    return _together(found)


def _together(found: Sequence[dict[str, Value]]) -> dict[str, Value]:
    """Of several searches: everything is complete when all are; counts are added."""
    return {
        name: all(values) if name.endswith("completes") else sum(value or 0 for value in values)
        for name, values in ((name, [one[name] for one in found]) for name in found[0])
    }


def crashes() -> dict[str, Value]:
    """Every persist of every validator may be its last."""
    return _figures(CRASHES_NAME, search(CRASHES))


def mutants() -> dict[str, Value]:
    """Share of broken rules that the search finds, each in its smallest case."""
    found = 0
    for name, broken in MUTANTS.items():
        with broken():
            report = search(CASES[name])
        found += bool(report.violation)
        said = (
            f"found after {report.states:,} states: {report.violation}" if report.violation else "NOT FOUND"
        )
        print(f"  protocol mutant {name!r}: {said}", flush=True)
    return {"protocol mutants found": found / len(MUTANTS)}


def _figures(name: str, report: Report) -> dict[str, Value]:
    """A search ends when everything was seen or at its first violation, which is printed with its trace."""
    print(
        f"  {report.machine_states:,} states of one machine, {report.merged_states:,} that differ, "
        f"{report.states:,} states of three, {report.edges:,} steps",
        flush=True,
    )
    for line in (report.violation, *report.trace):
        if line:
            print(f"  {line}", flush=True)
    framed = report.violation.startswith("an honest validator")
    return {
        f"{name}: completes": not report.violation,
        f"{name}: violations of agreement": int(bool(report.violation) and not framed),
        f"{name}: violations of no-framing": int(framed),
        f"{name}: states": report.states,
    }
