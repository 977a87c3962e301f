"""The disk of ADR 0013: what is synced stays, everything else is there, gone or torn, each by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random

from tests.power.operations import (
    ROOT,
    Change,
    Content,
    Image,
    Mark,
    Operation,
    Recording,
    Rename,
    Sync,
    Truncate,
    Write,
)

SECTOR_BYTES = 512
TORN_PLACES_MAX = 8
"""Boundaries at which one write is torn; of more, evenly spread ones."""


class Disk:
    """What is durable, and what is open, after some operations of a recording."""

    def __init__(self, recording: Recording) -> None:
        self._contents = dict(recording.contents)
        self._names = {node: dict(names) for node, names in recording.names.items()}
        self.open: list[Change] = []

    def do(self, operation: Operation) -> None:
        """One more operation."""
        if isinstance(operation, Sync):
            for change in self.open:
                if change.node == operation.node:
                    _apply(change, self._contents, self._names)
            self.open = [change for change in self.open if change.node != operation.node]
        elif not isinstance(operation, Mark):
            self.open.append(operation)

    def image(self, happened: Iterable[Change]) -> Image:
        """The folder if, of what is open, this and nothing else reached the disk."""
        changes = list(happened)
        contents = self._contents | {one.node: self._contents[one.node] for one in changes}
        names = self._names | {
            one.node: dict(self._names[one.node]) for one in changes if one.node in self._names
        }
        for change in changes:
            _apply(change, contents, names)
        return dict(_walk(ROOT, "", contents, names))


def _apply(change: Change, contents: dict[int, Content], names: dict[int, dict[str, int]]) -> None:
    if isinstance(change, Rename):
        for name, node in change.names:
            if node is None:
                names[change.node].pop(name, None)
            else:
                names[change.node][name] = node
        return
    before = contents[change.node]
    if not isinstance(before, bytes):
        raise TypeError("only files are written to")
    if isinstance(change, Truncate):
        contents[change.node] = before[: change.size].ljust(change.size, b"\0")
    else:
        start, end = change.offset, change.offset + len(change.data)
        contents[change.node] = before[:start].ljust(start, b"\0") + change.data + before[end:]


def _walk(
    folder: int, path: str, contents: dict[int, Content], names: dict[int, dict[str, int]]
) -> Iterator[tuple[str, Content]]:
    for name, node in names[folder].items():
        yield path + name, contents[node]
        if contents[node] is None:
            yield from _walk(node, f"{path}{name}/", contents, names)


def every_fate(
    open_changes: Sequence[Change], random: Random, samples: int, *, whole: bool = True
) -> Iterator[list[Change]]:
    """What may have reached the disk of these: all, nothing, every single one, every tear, random choices.

    With `whole` this is done with each of them, else with the latest only: when more will follow, what may be
    left of the others without those that follow may be left then, too.
    """
    for at in range(0 if whole else max(0, len(open_changes) - 1), len(open_changes)):
        one, before, after = open_changes[at], open_changes[:at], open_changes[at + 1 :]
        for parts in ([], *([part] for part in _torn(one))):
            yield [*before, *parts, *after]
            yield parts
        yield [one]
    yield from some_fates(open_changes, random, samples)


def some_fates(
    open_changes: Sequence[Change], random: Random, samples: int, *, whole: bool = True
) -> Iterator[list[Change]]:
    """The short way: all, nothing, and some random choices, at any time."""
    yield list(open_changes)
    yield []
    for _ in range(samples if open_changes else 0):
        yield [part for one in open_changes for part in random.choice([(), (one,), (_any(one, random),)])]


def _any(one: Change, random: Random) -> Change:
    return random.choice([one, *_torn(one)])


def _torn(one: Change) -> list[Change]:
    """The ways in which one write may be half there; a truncation or a change of names never is."""
    if not isinstance(one, Write):
        return []
    end = one.offset + len(one.data)
    first = one.offset - one.offset % SECTOR_BYTES + SECTOR_BYTES
    places = range(first, end, SECTOR_BYTES)
    places = places[:: max(1, -(-len(places) // TORN_PLACES_MAX))]
    cuts = [place - one.offset for place in places]
    heads = [replace(one, data=one.data[:cut]) for cut in cuts]
    tails = [replace(one, offset=one.offset + cut, data=one.data[cut:]) for cut in cuts]
    return [*heads, *tails, replace(one, data=bytes(len(one.data)))]
