"""One way to report measurements: a table on the terminal and `build/<target>.json`.

`bounds.toml` beside this file lists every figure a target must report and its bound; a figure that was not
measured is reported as missing (value null, holds false), so a run can never pass by leaving one out.
"""

from __future__ import annotations

import json
import operator
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Value = float | int | bool | None
BOUNDS_PATH = Path(__file__).with_name("bounds.toml")
BUILD_DIR = Path("build")
LIBRARIES = (
    "numpy",
    "pynacl",
    "paho-mqtt",
    "sqlite-utils",
    "ai-edge-litert",
    "amqtt",
    "scikit-learn",
    "torch",
)
MEASURED = "measured"
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Bound:
    """One row of bounds.toml: `bound` is the issue's own text, `limit` the same for a machine.

    A limit is `"<= 0.4"`, `">= 20"`, `"< 3"`, `"== 0"`, `"== true"`, or `"measured"` where the issue asks for
    a number without bounding it.
    """

    target: str
    name: str
    unit: str
    bound: str
    limit: str
    issue: int

    def holds(self, value: Value) -> bool:
        """Whether `value` is within the limit; a missing value never is. A bad limit is a `ValueError`."""
        if value is None:
            return False
        if self.limit == MEASURED:
            return True
        sign, _, number = self.limit.partition(" ")
        if sign not in _COMPARE:
            raise ValueError(f"bounds.toml: limit {self.limit!r} of {self.name!r}: say e.g. '<= 0.4'")
        return _COMPARE[sign](value, json.loads(number))


@dataclass(frozen=True, slots=True)
class Figure:
    """One reported row."""

    name: str
    value: Value
    unit: str
    bound: str
    holds: bool


def load_bounds(path: Path = BOUNDS_PATH) -> list[Bound]:
    """All rows of bounds.toml, in file order; `limit` without a matching key raises `TypeError`."""
    rows: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["figure"]
    return [Bound(**row) for row in rows]


def evaluate(target: str, measured: Mapping[str, Value], bounds: Sequence[Bound]) -> list[Figure]:
    """Every figure of `target` in the order of `bounds`; a name that bounds.toml lacks is a `KeyError`."""
    mine = [bound for bound in bounds if bound.target == target]
    unknown = sorted(set(measured) - {bound.name for bound in mine})
    if unknown or not mine:
        raise KeyError(f"bounds.toml has no figure {unknown} for target {target!r}")
    values = [(bound, measured.get(bound.name)) for bound in mine]
    return [Figure(b.name, value, b.unit, b.bound, b.holds(value)) for b, value in values]


def problems(target: str, report: Mapping[str, Any], bounds: Sequence[Bound]) -> list[str]:
    """What is wrong with a written report, a sentence each: rows missing, unknown, with another bound."""
    rows = {row["name"]: row for row in report["figures"]}
    mine = {bound.name: bound for bound in bounds if bound.target == target}
    found = [f"{target}: figure {name!r} is not in bounds.toml" for name in rows if name not in mine]
    for name, bound in mine.items():
        row = rows.get(name)
        if row is None:
            found.append(f"{target}: figure {name!r} is missing")
        elif (row["bound"], row["unit"]) != (bound.bound, bound.unit):
            found.append(f"{target}: figure {name!r} does not carry the bound {bound.bound!r} [{bound.unit}]")
        elif row["holds"] != bound.holds(row["value"]):
            found.append(f"{target}: figure {name!r} says holds = {row['holds']} for {row['value']}")
    return found


def environment() -> dict[str, Any]:
    """What the numbers were taken on: CPU, cores, memory, OS, Python and library versions."""
    return {
        "cpu": _first_field(Path("/proc/cpuinfo"), ("model name", "Model", "Hardware")) or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _first_field(Path("/proc/meminfo"), ("MemTotal",)),
        "os": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version for name in LIBRARIES if (version := _version(name))},
    }


def table(figures: Sequence[Figure]) -> str:
    """The figures as aligned text, one line each."""
    rows = [("figure", "value", "unit", "bound", "")]
    rows += [(f.name, _show(f.value), f.unit, f.bound, "ok" if f.holds else "MISSED") for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def report(
    target: str,
    measured: Mapping[str, Value],
    *,
    notes: Mapping[str, str] | None = None,
    quick: bool = False,
    build_dir: Path = BUILD_DIR,
) -> list[Figure]:
    """Print the table of `target` and write `build_dir/<target>.json`; returns the figures.

    `measured` maps names of bounds.toml to values; `notes` maps some of them to what a reader must know of
    how they were measured; a shortened run passes `quick`, which marks every row.
    The file is replaced in one step, so that a stopped run never leaves half a report.
    """
    figures = evaluate(target, measured, load_bounds())
    notes = notes or {}
    mark: dict[str, Any] = {"quick": True} if quick else {}
    rows = [
        {"name": f.name, "value": f.value, "unit": f.unit, "bound": f.bound, "holds": f.holds, **mark}
        | ({"note": notes[f.name]} if f.name in notes else {})
        for f in figures
    ]
    print(f"{target}{' (quick run: shortened work, not the full figure)' if quick else ''}\n{table(figures)}")
    for name, note in notes.items():
        print(f"  {name}: {note}")
    build_dir.mkdir(parents=True, exist_ok=True)
    path = build_dir / f"{target}.json"
    text = json.dumps({"environment": environment(), "figures": rows}, indent=2, ensure_ascii=False)
    path.with_suffix(".tmp").write_text(text + "\n", encoding="utf-8")
    path.with_suffix(".tmp").replace(path)
    return figures


def _show(value: Value) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _first_field(path: Path, names: Sequence[str]) -> str | None:
    """The first `name : value` of a /proc file; boards spell the CPU's name differently."""
    if not path.exists():
        return None
    pairs = [line.partition(":") for line in path.read_text(encoding="utf-8").splitlines()]
    fields = {key.strip(): value.strip() for key, _, value in reversed(pairs)}
    return next((fields[name] for name in names if name in fields), None)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
