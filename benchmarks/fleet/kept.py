"""Rows that were measured, kept on disk: a benchmark of an hour that is stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.figures import Value

Row = tuple[str, Value, str]
"""Name in bounds.toml, value, what a reader must know of it."""


class Kept:
    """One file for each part, in a folder for each length; delete the folder to measure anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def rows(self, part: str, measure: Callable[[], Iterable[Row]]) -> list[Row]:
        """Those that are there, else measured now."""
        path = self.folder / f"{part}.json"
        if path.exists():
            return [(name, value, note) for name, value, note in json.loads(path.read_text())]
        print(f"bench-fleet: {part} ...", flush=True)
        found = list(measure())
        path.with_suffix(".tmp").write_text(json.dumps(found, indent=1))
        path.with_suffix(".tmp").replace(path)
        return found
