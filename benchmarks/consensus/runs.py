"""The seeded simulation: as many runs as it takes for schedules and faults."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Value
from tests.simulation.consensus_campaign import Kind, Totals, campaign


def runs(seeds: int, faults: int, state: Path, saved: Callable[[], object]) -> dict[str, Value]:
    """At least so many seeds and faults; goes on where `state` ends, and calls `saved` after each chunk."""
    totals = Totals()
    for totals in campaign(seeds, state, faults=faults):
        line = (
            f"  {totals.schedules:,} schedules, {totals.faults:,} faults, {len(totals.violations)} violations"
        )
        print(line, end="\r", file=sys.stderr, flush=True)
        saved()
    print(f"  {totals.blocks:,} blocks decided, {totals.equivocator_schedules:,} runs with an equivocator")
    print(f"  {totals.epoch_changes:,} changes of epoch in {totals.epoch_schedules:,} runs")
    for text in totals.violations.values():
        print(text, flush=True)
    return figures(totals)


def figures(totals: Totals) -> dict[str, Value]:
    """Figures of bounds.toml; shares are None where nothing of the kind was run."""
    equivocators = totals.equivocator_schedules
    live = totals.schedules - totals.count(Kind.LIVENESS)
    return {
        "simulation: schedules": totals.schedules,
        "simulation: faults": totals.faults,
        "simulation: safety violations": totals.count(Kind.SAFETY) + totals.count(Kind.EVIDENCE),
        "simulation: honest validators convicted": totals.count(Kind.FRAMING),
        "simulation: live after healing": live / totals.schedules if totals.schedules else None,
        "simulation: runs with an equivocator that yield evidence": (
            totals.equivocator_evidence / equivocators if equivocators else None
        ),
        "simulation: schedules with real Ed25519": (
            totals.real_key_schedules / totals.schedules if totals.schedules else None
        ),
    }
