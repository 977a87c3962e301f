"""What a stopped run has already found, so that the next one goes on behind it.

Kept beside the report. Findings belong to the source they were made with: when any of it has changed, or the
run is asked to be another one, everything begins anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from benchmarks.figures import Value

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("edge_client", "broker", "firmware_profiles", "tests", "benchmarks")


class Progress:
    """Figures by part, and the time that all runs took together."""

    def __init__(self, path: Path, run: str, *, fresh: bool = False) -> None:
        self._path = path
        self._run = f"{run} {fingerprint()}"
        self._began_s: float | None = None
        self.parts: dict[str, dict[str, Value]] = {}
        self.spent_s = 0.0
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.goes_on = not fresh and stored.get("run") == self._run
        if self.goes_on:
            self.parts, self.spent_s = stored["parts"], stored["spent_s"]

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Counts what happens inside towards the whole check, up to the last `save`."""
        self._began_s = time.monotonic()
        try:
            yield
        finally:
            self.save()
            self._began_s = None

    def save(self) -> None:
        """Write everything, with the time up to now; the file is replaced in one step."""
        if self._began_s is not None:
            now_s = time.monotonic()
            self.spent_s, self._began_s = self.spent_s + now_s - self._began_s, now_s
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = {"run": self._run, "parts": self.parts, "spent_s": self.spent_s}
        self._path.with_suffix(".tmp").write_text(json.dumps(written, indent=1), encoding="utf-8")
        self._path.with_suffix(".tmp").replace(self._path)

    def finish(self, part: str, figures: Mapping[str, Value]) -> None:
        """Remember the figures of a part that need not be run again."""
        self.parts[part] = dict(figures)
        self.save()

    @property
    def figures(self) -> dict[str, Value]:
        """Of all finished parts."""
        return {name: value for found in self.parts.values() for name, value in found.items()}


def fingerprint() -> str:
    """Hash over all Python sources and vectors that a finding may depend on."""
    found = blake2b(digest_size=16)
    paths = (path for top in SOURCES for kind in ("*.py", "*.json") for path in (ROOT / top).rglob(kind))
    for path in sorted(paths):
        found.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
