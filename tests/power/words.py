"""What a recorded process says between its system calls, and what is read back from the recording."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

from tests.power.operations import Mark, Recording

Units: TypeAlias = "dict[str, str]"
"""Digest of what each thing holds that is saved by itself: a table as `file/table`, or a small file."""

LATE_TABLES = frozenset({"sqlite_sequence"})


class Teller:
    """Writes marks; without a file it only remembers what was signed."""

    def __init__(self, marks: Path | None = None) -> None:
        self._file = None if marks is None else marks.open("ab", buffering=0)
        self.signed: dict[str, str] = {}
        self.steps: list[Sequence[str]] = []

    def saved(self, what: str, units: Units) -> None:
        """An effect has ended, and this is what the folder holds from here on."""
        self._say({"saved": what, "units": units})

    def sent(self, what: str, content: bytes) -> None:
        """Something signed left the process: the content of `what`, of which there may be one only."""
        digest = digest_of(content)
        if self.signed.setdefault(what, digest) != digest:
            raise AssertionError(f"two different signatures for {what}")
        self._say({"sent": what, "digest": digest})

    def answered(self) -> None:
        """A word left the process that relies on what is saved."""
        self._say({"answered": True})

    def chained(self, step: Sequence[str]) -> None:
        """A block was made, which the outside world will not forget."""
        self.steps.append(step)
        self._say({"chained": list(step)})

    def round(self, number: int) -> None:
        """From here on it is this round, or block."""
        self._say({"round": number})

    def _say(self, word: Mapping[str, object]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(word).encode() + b"\n")


@dataclass(slots=True)
class Told:
    """All words up to a moment."""

    what: str = "start"
    units: Units = field(default_factory=dict)
    signed: dict[str, str] = field(default_factory=dict)
    chain: tuple[tuple[str, ...], ...] = ()
    acknowledged: int = -1
    """Number of the last `saved` that something left the process after."""
    number: int = 0

    def after(self, mark: Mark) -> Told:
        """With one more word."""
        word = json.loads(mark.text)
        told = Told(self.what, self.units, self.signed, self.chain, self.acknowledged, self.number)
        if "saved" in word:
            told.what, told.units, told.number = word["saved"], word["units"], self.number + 1
        elif "sent" in word:
            told.signed = {**self.signed, word["sent"]: word["digest"]}
            told.acknowledged = self.number
        elif "answered" in word:
            told.acknowledged = self.number
        elif "chained" in word:
            told.chain = (*self.chain, tuple(word["chained"]))
        return told


def points_by_round(recording: Recording) -> dict[int, int]:
    """Write, truncate, name and sync operations of each round that was told; those before it as round 0."""
    found, number = {0: 0}, 0
    for one in recording.operations:
        if not isinstance(one, Mark):
            found[number] += 1
        elif "round" in (word := json.loads(one.text)):
            number = word["round"]
            found.setdefault(number, 0)
    return found


def tables_of(name: str, connection: sqlite3.Connection) -> Units:
    """A digest of every table."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    tables = [row[0] for row in connection.execute(query) if row[0] not in LATE_TABLES]
    return {
        f"{name}/{table}": digest_of(
            repr(sorted(map(repr, connection.execute(f"SELECT * FROM {table}")))).encode()
        )
        for table in tables
    }


def small_files(folder: Path, names: Iterable[str]) -> Units:
    """A digest of each small file, and of where a link leads to; one that is not there is "none"."""
    return {name: _small_file(folder / name) for name in names}


def _small_file(path: Path) -> str:
    try:
        where = str(path.readlink()) if path.is_symlink() else ""
        return digest_of(where.encode() + path.read_bytes())
    except FileNotFoundError:
        return "none"


def digest_of(data: bytes) -> str:
    """Sixteen characters that stand for the data."""
    return blake2b(data, digest_size=8).hexdigest()
