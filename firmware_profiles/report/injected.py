"""What was broken on purpose: every fault is counted, the first ones of each kind are listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from firmware_profiles.report.record import Fault

LISTED_MAX = 200
"""Of one kind."""


@dataclass(slots=True)
class Injected:
    """Of one process, or of all when they are added up."""

    counts: Counter[str] = field(default_factory=Counter)
    listed: dict[str, list[Fault]] = field(default_factory=dict)

    def count(self, kind: str, times: int = 1) -> None:
        """Some of those that are too many and too small to tell apart."""
        if times:
            self.counts[kind] += times

    def note(self, at_ms: int, kind: str, what: str) -> None:
        """Something was broken, so many milliseconds after the beginning."""
        self.counts[kind] += 1
        self._list(kind, [Fault(at_ms, kind, what)])

    def add(self, other: Injected) -> None:
        """Take what another process counted."""
        self.counts.update(other.counts)
        for kind, faults in other.listed.items():
            self._list(kind, faults)

    def faults(self) -> tuple[Fault, ...]:
        """Those that are listed, by time."""
        every = [one for faults in self.listed.values() for one in faults]
        return tuple(sorted(every, key=lambda one: (one.at_ms, one.kind, one.what)))

    def _list(self, kind: str, faults: Iterable[Fault]) -> None:
        own = sorted([*self.listed.get(kind, ()), *faults], key=lambda one: one.at_ms)
        self.listed[kind] = own[:LISTED_MAX]
