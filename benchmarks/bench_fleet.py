"""`make bench-fleet`: rehearsed fleets, simulated and emulated, and owners' settings against each other.

Takes an hour or two. Every part, and every run of the comparison, is kept in `build/bench-fleet`, so a run
that was stopped goes on there; delete the folder to measure anew. `ARGS=--quick` takes some minutes: smaller
fleets, shorter days, one seed, nothing moved. `ARGS="--part compare"` is one part.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.figures import BUILD_DIR, Value, report

TARGET = "bench-fleet"


def main(arguments: list[str] | None = None) -> int:
    """Measure everything that was not measured before; returns 0 when every figure holds, else 1."""
    from benchmarks.fleet.kept import Kept  # noqa: PLC0415 - each process of an emulated fleet loads this file
    from benchmarks.fleet.parts import FULL, QUICK, parts  # noqa: PLC0415 - the same: it takes 80 MB

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
