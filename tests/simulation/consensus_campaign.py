"""Thousands of seeds on all cores, resumable: what `make check-consensus` runs beside the exhaustive search.

python -m tests.simulation.consensus_campaign --seeds 6000 --state build/consensus-campaign.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from tests.simulation.consensus_plan import Plan
from tests.simulation.consensus_world import ViolationError, simulate

CHUNK_SEEDS = 20


@dataclass
class Totals:
    """What all runs so far came to; `next_seed` is where to go on."""

    next_seed: int = 0
    schedules: int = 0
    real_key_schedules: int = 0
    faults: int = 0
    blocks: int = 0
    accused: int = 0
    violations: dict[str, str] = field(default_factory=dict)

    def add(self, other: Totals) -> None:
        """Take in the next chunk."""
        for name in (one.name for one in fields(self) if one.type == "int"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.violations.update(other.violations)


def run_chunk(first: int) -> Totals:
    """Seeds `first` to `first + CHUNK_SEEDS - 1`."""
    totals = Totals(next_seed=CHUNK_SEEDS, schedules=CHUNK_SEEDS)
    for seed in range(first, first + CHUNK_SEEDS):
        totals.real_key_schedules += Plan.draw(seed).real_keys
        try:
            tally = simulate(seed)
        except ViolationError as violation:
            totals.violations[str(seed)] = str(violation)
        else:
            totals.faults += sum(tally.faults.values())
            totals.blocks += tally.decided_blocks
            totals.accused += tally.evidence > 0
    return totals


def campaign(seeds: int, state: Path, processes: int | None = None) -> Iterator[Totals]:
    """Totals after each chunk, from where `state` says that an earlier call stopped."""
    totals = Totals(**json.loads(state.read_text(encoding="utf-8"))) if state.exists() else Totals()
    with ProcessPoolExecutor(processes or os.cpu_count()) as pool:
        for chunk in pool.map(run_chunk, range(totals.next_seed, seeds, CHUNK_SEEDS)):
            totals.add(chunk)
            state.parent.mkdir(parents=True, exist_ok=True)
            state.write_text(json.dumps(asdict(totals)), encoding="utf-8")
            yield totals


def main() -> int:
    """Run, show progress, print every violation; 1 when there was one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6_000)
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
