"""Opens every folder a cut may leave and holds it against the invariants of ADR 0013."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Protocol

from tests.power.disk_model import Disk, every_fate, some_fates
from tests.power.operations import Change, Image, Mark, Operation, Recording, Rename, Sync, Write, write_image
from tests.power.words import Told, Units

ROOT_CHARS = 64
FAILURES_MAX = 20
"""After so many, a campaign ends: the first few say it all."""
SAMPLES = 4
"""Random choices at each moment."""
SEED = 5
NAME_CHARS_MAX = 24


class Fates(Protocol):
    """What may have reached the disk of what is open: see `every_fate`."""

    def __call__(
        self, open_changes: Sequence[Change], random: Random, samples: int, *, whole: bool = True
    ) -> Iterator[list[Change]]:
        """Each as those changes, or parts of them, that did."""
        ...


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is tried: which fates of what is open, how many of them by chance, after which operations
    (every one, or every `stride`-th), and after how many failures it is enough."""

    fates: Fates = every_fate
    samples: int = SAMPLES
    stride: int = 1
    failures_max: int = FAILURES_MAX


QUICK = Depth(some_fates, samples=1, stride=4)


@dataclass(frozen=True, slots=True)
class Found:
    """What the program's own stores find in a folder, and what is wrong with it whatever was before."""

    units: Units
    faults: tuple[str, ...] = ()
    objects: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ending:
    """What a process signed on its way to the end from there, what was wrong, and what it ended with, as far
    as that is to be the same wherever it began."""

    signed: Mapping[str, str]
    faults: tuple[str, ...] = ()
    units: Units = field(default_factory=dict)


class Subject(Protocol):
    """A program whose folder is cut off."""

    def look(self, folder: Path) -> Found:
        """Open it with the real stores."""
        ...

    def finish(self, folder: Path, chain: Sequence[Sequence[str]]) -> Ending:
        """Start the process there, when that much of the chain has happened, and let it go on to its end."""
        ...


@dataclass(slots=True)
class Verdict:
    """What a campaign did and found; each failure says where."""

    points: int
    cuts: int = 0
    folders: int = 0
    finished: int = 0
    torn: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    signed_twice: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """All of them."""
        return [*self.torn, *self.lost, *self.signed_twice, *self.stuck]


class Campaign:
    """All cuts of one recording; `place` is where folders are made, one at a time."""

    def __init__(self, subject: Subject, recording: Recording, place: Path, seed: int = SEED) -> None:
        self._subject = subject
        self._recording = recording
        self._place = place
        self._random = Random(seed)
        self._known = known_objects(recording)
        self._found: dict[bytes, Found] = {}
        self._endings: dict[object, Ending] = {}
        self._history = list(history(recording))
        self._ends = ends(recording.operations)
        self._uncut = subject.finish(self._folder(Disk(recording).image([])), ())
        self.verdict = Verdict(recording.points)

    def run(self, depth: Depth) -> Verdict:
        """Cut after operations and words."""
        disk = Disk(self._recording)
        for number, operation in enumerate(self._recording.operations):
            disk.do(operation)
            if number % depth.stride:
                continue
            place = f"after {number}: {describe(operation)}"
            seen: set[bytes] = set()
            for happened in depth.fates(disk.open, self._random, depth.samples, whole=number in self._ends):
                image = disk.image(happened)
                digest = digest_of_image(image)
                if digest not in seen:
                    seen.add(digest)
                    self._cut(
                        image, digest, number, f"{place}; {len(happened)} of {len(disk.open)} open kept"
                    )
                if len(self.verdict.failures) >= depth.failures_max:
                    return self.verdict
        return self.verdict

    def _cut(self, image: Image, digest: bytes, number: int, place: str) -> None:
        self.verdict.cuts += 1
        told, coming = self._history[number]
        found = self._found.get(digest)
        if found is None:
            found = self._found[digest] = self._look(image)
            self.verdict.folders += 1
        self.verdict.torn += [f"{place}: {fault}" for fault in found.faults]
        if found.faults:
            return
        self._compare(found, told, coming, place)
        key = (tuple(sorted(found.units.items())), found.objects, told.chain)
        if key not in self._endings:
            self._endings[key] = self._finish(image, told)
            self.verdict.finished += 1
            self.verdict.stuck += [f"{place}: {fault}" for fault in self._endings[key].faults]
        for what, signature in self._endings[key].signed.items():
            if told.signed.get(what, signature) != signature:
                self.verdict.signed_twice.append(f"{place}: {what}")

    def _look(self, image: Image) -> Found:
        folder = self._folder(image)
        try:
            found = self._subject.look(folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, the store cannot be used
            return Found({}, (f"it does not open: {error!r}",))
        wrong = [
            f"the object {path.name[:8]} is not what its name says"
            for path in folder.rglob("?" * ROOT_CHARS)
            if path.read_bytes() != self._known.get(path.name)
        ]
        return Found(found.units, (*found.faults, *wrong), found.objects)

    def _finish(self, image: Image, told: Told) -> Ending:
        try:
            ending = self._subject.finish(self._folder(image), told.chain)
            other = {name for name, one in ending.units.items() if self._uncut.units[name] != one}
            return replace(
                ending, faults=(*ending.faults, *(f"{name} ends otherwise" for name in sorted(other)))
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the process does not go on
            return Ending({}, (f"it does not go on: {error!r}",))

    def _compare(self, found: Found, told: Told, coming: Told, place: str) -> None:
        """Each database and small file is as after the last effect or as after the next one. While the folder
        is opened for the first time nothing is told of it, and nothing has left."""
        if not told.number:
            return
        for file, names in groupby(sorted(found.units), lambda name: name.partition("/")[0]):
            units = {name: found.units[name] for name in names}
            if any(_has(moment, units) for moment in (told, coming)):
                continue
            older = [one.number for one, _ in self._history if one.number < told.number and _has(one, units)]
            if not older:
                self.verdict.torn.append(f"{place}: {file} holds what it never held")
            else:
                word = (
                    "what left the process after" if max(older) < told.acknowledged else "what had ended with"
                )
                self.verdict.lost.append(f"{place}: {file} lacks {word} effect {told.number}, {told.what}")

    def _folder(self, image: Image) -> Path:
        shutil.rmtree(self._place, ignore_errors=True)
        write_image(image, self._place)
        return self._place


def _has(told: Told, units: Units) -> bool:
    return all(told.units.get(name) == digest for name, digest in units.items())


def ends(operations: Sequence[Operation]) -> set[int]:
    """The operations after which the next sync is, or nothing: as much as there will ever be is open."""
    syncs = [number for number, one in enumerate(operations) if isinstance(one, Sync)]
    return {*(number - 1 for number in syncs), len(operations) - 1}


def history(recording: Recording) -> Iterator[tuple[Told, Told]]:
    """After every operation: what was told so far, and what the next saving will tell."""
    tolds, told = [], Told()
    for operation in recording.operations:
        told = told.after(operation) if isinstance(operation, Mark) else told
        tolds.append(told)
    by_number = {one.number: one for one in reversed(tolds)}
    last = max(by_number)
    for told in tolds:
        yield told, by_number[min(told.number + 1, last)]


def known_objects(recording: Recording) -> dict[str, bytes]:
    """Every file that ever had the name of an object, as it was meant to be."""
    contents = {node: one for node, one in recording.contents.items() if isinstance(one, bytes)}
    for operation in recording.operations:
        if isinstance(operation, Write):
            before = contents[operation.node]
            end = operation.offset + len(operation.data)
            contents[operation.node] = before[: operation.offset] + operation.data + before[end:]
    named = [pair for names in recording.names.values() for pair in names.items()]
    for operation in recording.operations:
        named += (
            [] if not isinstance(operation, Rename) else [(n, i) for n, i in operation.names if i is not None]
        )
    return {name: contents[node] for name, node in named if len(name) == ROOT_CHARS and node in contents}


def describe(operation: object) -> str:
    """An operation in a few words."""
    if isinstance(operation, Mark):
        word = json.loads(operation.text)
        return " ".join(f"{key} {value}" for key, value in word.items() if key not in ("units", "chained"))
    if isinstance(operation, Write):
        return f"write of {len(operation.data)} bytes at {operation.offset} to file {operation.node}"
    if isinstance(operation, Rename):
        names = (f"{'-' if node is None else '+'}{name[:NAME_CHARS_MAX]}" for name, node in operation.names)
        return f"names {' '.join(names)}"
    return str(operation)


def digest_of_image(image: Image) -> bytes:
    """Stands for the whole folder."""
    found = blake2b(digest_size=16)
    for path in sorted(image):
        content = image[path]
        kind = b"d" if content is None else b"l" if isinstance(content, str) else b"f"
        data = b"" if content is None else content.encode() if isinstance(content, str) else content
        found.update(b"%s%d %d " % (kind, len(path), len(data)) + path.encode() + data)
    return found.digest()
