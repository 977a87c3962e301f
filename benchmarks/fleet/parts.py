"""All parts of `make bench-fleet`, whole and quick."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.fleet import both_ways, compared, emulated, simulated
from benchmarks.fleet.kept import Row


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
        1,
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
