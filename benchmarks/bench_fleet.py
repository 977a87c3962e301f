"""`make bench-fleet`: rehearsed fleets, simulated and emulated, and owners' settings against each other.

Takes an hour or two. Every part, and every run of the comparison, is kept in `build/bench-fleet`, so a run
that was stopped goes on there; delete the folder to measure anew. `ARGS=--quick` takes some minutes: smaller
fleets, shorter days, one seed, nothing moved. `ARGS="--part compare"` is one part.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.figures import BUILD_DIR, Value, report
from benchmarks.fleet import both_ways, compared, emulated, simulated
from benchmarks.fleet.kept import Kept, Row

TARGET = "bench-fleet"


@dataclass(frozen=True, slots=True)
class Length:
    """How much is run."""

    size: simulated.Size
    amount: compared.Amount
    crowd: emulated.Crowd
    pair: both_ways.Pair


FULL = Length(
    simulated.Size(10_000, 24, 1_000, 24),
    compared.Amount(
        {
            "home": compared.Extent(400, 10),
            "farm-solar": compared.Extent(200, 24),
            "lte-vehicles": compared.Extent(200, 24),
        },
        5,
        3,
    ),
    emulated.Crowd(1000, 31),
    both_ways.Pair(20, 12, 60.0),
)
QUICK = Length(
    simulated.Size(500, 6, 100, 3),
    compared.Amount({"home": compared.Extent(40, 4), "lte-vehicles": compared.Extent(40, 8)}, 1, 0),
    emulated.Crowd(60, 3),
    both_ways.Pair(20, 3, 120.0),
)


def compare_rows(folder: Path, amount: compared.Amount) -> Iterable[Row]:
    """Rehearse what is missing, then score everything."""
    return compared.rows(compared.compared(folder, amount, partial(print, flush=True)), amount)


def parts(folder: Path, length: Length) -> dict[str, Callable[[], Iterable[Row]]]:
    """What is measured, by the name under which it is kept."""
    return {
        "files": simulated.dropout_rows,
        "simulate": partial(simulated.rows, length.size),
        "same-seed": partial(simulated.again_rows, length.size),
        "emulate": partial(emulated.rows, length.crowd),
        "both-ways": partial(both_ways.rows, length.pair),
        "compare": partial(compare_rows, folder / "compare", length.amount),
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure everything that was not measured before; returns 0 when every figure holds, else 1."""
    parser = argparse.ArgumentParser(prog="bench_fleet", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller fleets, shorter days, one seed")
    parser.add_argument("--part", action="append", help="only this part; repeat")
    given = parser.parse_args(arguments)
    kept = Kept(BUILD_DIR / ("bench-fleet-quick" if given.quick else TARGET))
    every = parts(kept.folder, QUICK if given.quick else FULL)
    strange = sorted(set(given.part or ()) - set(every))
    if strange:
        parser.error(f"there is no part '{strange[0]}'; there are {', '.join(every)}")
    rows = [row for name in given.part or every for row in kept.rows(name, every[name])]
    values: dict[str, Value] = {name: value for name, value, _ in rows}
    notes = {name: note for name, _, note in rows}
    return 0 if all(figure.holds for figure in report(TARGET, values, notes=notes, quick=given.quick)) else 1


if __name__ == "__main__":
    sys.exit(main())
