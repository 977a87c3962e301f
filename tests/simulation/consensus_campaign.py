"""Thousands of seeds on all cores, resumable: what `make check-consensus` runs beside the exhaustive search.

python -m tests.simulation.consensus_campaign --seeds 8000 --state build/consensus-campaign.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from pathlib import Path

from tests.simulation.consensus_plan import Plan, Style
from tests.simulation.consensus_world import ViolationError, World

CHUNK_SEEDS = 20


class Kind(str, Enum):
    """What a violation breaks. The value is how its first line begins; empty for the rest."""

    LIVENESS = "not live after healing"
    EVIDENCE = "nobody accused"
    FRAMING = "honest validator"
    SAFETY = ""

    @classmethod
    def of(cls, text: str) -> Kind:
        """The kind of a violation; whatever is not recognised counts against safety."""
        if text.startswith("validator") and "can be convicted" in text.splitlines()[0]:
            return cls.FRAMING
        return next(kind for kind in cls if text.startswith(kind.value))


@dataclass
class Totals:
    """What all runs so far came to; `next_seed` is where to go on, `violations` are texts by seed."""

    next_seed: int = 0
    schedules: int = 0
    real_key_schedules: int = 0
    equivocator_schedules: int = 0
    equivocator_evidence: int = 0
    faults: int = 0
    blocks: int = 0
    epoch_changes: int = 0
    epoch_schedules: int = 0
    violations: dict[str, str] = field(default_factory=dict)

    def add(self, other: Totals) -> None:
        """Take in the next chunk."""
        for name in (one.name for one in fields(self) if one.type == "int"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.violations.update(other.violations)

    def count(self, kind: Kind) -> int:
        """Violations of one kind."""
        return sum(Kind.of(text) is kind for text in self.violations.values())


def run_chunk(first: int) -> Totals:
    """Seeds `first` to `first + CHUNK_SEEDS - 1`."""
    totals = Totals(next_seed=CHUNK_SEEDS, schedules=CHUNK_SEEDS)
    for seed in range(first, first + CHUNK_SEEDS):
        _run(seed, totals)
    return totals


def _run(seed: int, totals: Totals) -> None:
    plan = Plan.draw(seed)
    world = World(plan)
    totals.real_key_schedules += plan.real_keys
    try:
        tally = world.run()
    except ViolationError as violation:
        totals.violations[str(seed)] = str(violation)
    else:
        totals.faults += sum(tally.faults.values())
        totals.blocks += tally.decided_blocks
        totals.epoch_changes += tally.epochs
        totals.epoch_schedules += bool(tally.epochs)
    equivocators = {who for who, style in plan.styles.items() if style is Style.EQUIVOCATOR}
    if equivocators:
        totals.equivocator_schedules += 1
        totals.equivocator_evidence += equivocators <= world._accused


def campaign(
    seeds: int, state: Path, processes: int | None = None, faults: int | None = None
) -> Iterator[Totals]:
    """Totals after each chunk, from where `state` says that an earlier call stopped.

    Ends after `seeds` seeds; with `faults`, not before that many were injected, however many seeds it takes.
    """
    totals = Totals(**json.loads(state.read_text(encoding="utf-8"))) if state.exists() else Totals()
    yield totals
    workers = processes or os.cpu_count() or 1
    pool = ProcessPoolExecutor(workers)
    try:
        while totals.schedules < seeds or totals.faults < (faults or 0):
            end = totals.next_seed + 4 * workers * CHUNK_SEEDS
            if totals.schedules < seeds:
                end = min(end, seeds)
            for chunk in pool.map(run_chunk, range(totals.next_seed, end, CHUNK_SEEDS)):
                totals.add(chunk)
                state.parent.mkdir(parents=True, exist_ok=True)
                state.with_suffix(".tmp").write_text(json.dumps(asdict(totals)), encoding="utf-8")
                state.with_suffix(".tmp").replace(state)
                yield totals
    finally:
        pool.shutdown(cancel_futures=True)


def main() -> int:
    """Run, show progress, print every violation; 1 when there was one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8_000)
    parser.add_argument("--state", type=Path, default=Path("build/consensus-campaign.json"))
    parser.add_argument("--processes", type=int)
    options = parser.parse_args()
    totals = Totals()
    for totals in campaign(options.seeds, options.state, options.processes):
        line = f"{totals.schedules} schedules, {totals.faults} faults, {len(totals.violations)} violations"
        print(line, end="\r", file=sys.stderr, flush=True)
    print(json.dumps({**asdict(totals), "violations": sorted(totals.violations)}))
    for text in totals.violations.values():
        print(text)
    return 1 if totals.violations else 0


if __name__ == "__main__":
    sys.exit(main())
