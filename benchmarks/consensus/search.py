"""The exhaustive search, and the protocol mutants that it must find."""

from __future__ import annotations

from benchmarks.figures import Value
from tests.simulation.consensus_checker import Case, Report, search
from tests.simulation.consensus_mutants import MUTANTS
from tests.simulation.test_consensus_checker import CASES

LARGE, LARGE_QUICK = Case(slots=2, proposals=2), Case(slots=2, proposals=1)
CRASHES = Case(slots=1, proposals=2, crashes=True)
LARGE_NAME = "exhaustive search, 2 slots x 2 proposals"
CRASHES_NAME = "exhaustive search, 1 slot x 2 proposals with crash-restart from the log"


def large(*, quick: bool) -> dict[str, Value]:
    """Minutes of CPU; the quick one has a single proposal on each parent."""
    return _figures(LARGE_NAME, search(LARGE_QUICK if quick else LARGE))


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
