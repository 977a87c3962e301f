"""`make check-consensus`: what the consensus and the light client are checked with beside the tests.

Resumable: a part that is finished is not run again, and the simulation goes on where it was stopped, as long
as no source has changed (`--fresh` begins anew). `--quick` does a tenth of everything in a few minutes and
marks every row; `--parts search,light` runs some parts only, so that the rows of the others stay missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.consensus import decoders, light, perturbations, runs, search
from benchmarks.consensus.progress import Progress
from benchmarks.figures import BUILD_DIR, Value, report

TARGET = "check-consensus"
PROGRESS_FILE = "consensus-progress.json"
RUNS_FILE = "consensus-runs.json"
SEED = 4
NOTES = {
    f"{search.LARGE_NAME}: states": (
        "slot 2 has two proposals on each parent, and those of slot 1 again: every choice of three, as many "
        "as three honest validators can hold, counted together; choices alike but for names once"
    ),
    "simulation: schedules": (
        "epochs change every few heights in most of them; pruning and slashing are tested at the validator"
    ),
    "perturbations on real Mosquitto": "with four devices, one more than asked",
}
QUICK_NOTES = {
    f"{search.LARGE_NAME}: states": "quick run: every choice of two proposals in slot 2 instead of three",
    "simulation: schedules": "quick run: a tenth of the schedules",
    "simulation: faults": "quick run: as many as the schedules bring",
    "decoders: inputs": "quick run: a tenth of the inputs",
    "perturbations on real Mosquitto": "quick run: each kind once",
}


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of everything."""

    seeds: int
    faults: int
    inputs: int
    perturbations: int


FULL = Amounts(seeds=2_000, faults=5_000_000, inputs=1_000_000, perturbations=30)
QUICK = Amounts(seeds=200, faults=0, inputs=100_000, perturbations=len(perturbations.KINDS))
Part = Callable[[], dict[str, Value]]


def parts(*, quick: bool, state: Path, saved: Callable[[], object]) -> dict[str, Part]:
    """What is done, short parts first."""
    amounts = QUICK if quick else FULL
    return {
        "vectors": light.vectors,
        "predicate mutants": light.mutants,
        "flips": light.flips,
        "ed25519": light.ed25519,
        "protocol mutants": search.mutants,
        "search with crashes": search.crashes,
        "decoders": lambda: decoders.decoders(amounts.inputs),
        "perturbations": lambda: perturbations.perturbations(amounts.perturbations, SEED),
        "search": lambda: search.large(quick=quick),
        "simulation": lambda: runs.runs(amounts.seeds, amounts.faults, state, saved),
    }


def check(progress: Progress, wanted: dict[str, Part]) -> None:
    """Run every wanted part that is not finished yet."""
    for name, part in wanted.items():
        if name in progress.parts:
            print(f"{name}: finished by an earlier run", flush=True)
            continue
        print(f"{name}:", flush=True)
        with progress.timed():
            progress.finish(name, part())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run or go on; returns 0 when every figure holds, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything; marks every row")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs have found")
    parser.add_argument("--parts", help="only these, separated by commas")
    options = parser.parse_args(arguments)
    state = BUILD_DIR / RUNS_FILE
    progress = Progress(BUILD_DIR / PROGRESS_FILE, "quick" if options.quick else "full", fresh=options.fresh)
    if not progress.goes_on:
        state.unlink(missing_ok=True)
    found = parts(quick=options.quick, state=state, saved=progress.save)
    chosen = options.parts.split(",") if options.parts else list(found)
    if not set(chosen) <= found.keys():
        parser.error(f"--parts: say some of {', '.join(found)}")
    check(progress, {name: part for name, part in found.items() if name in chosen})
    whole = len(progress.parts) == len(found)
    measured = {**progress.figures, "whole check": progress.spent_s / 60 if whole else None}
    notes = NOTES | (QUICK_NOTES if options.quick else {})
    figures = report(TARGET, measured, notes=notes, quick=options.quick)
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
