"""What devices did, counted while it happens; tallies of several processes add up to one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from edge_client.core.events import Fate, SettleUpdate
from edge_client.protocol.machine import Note, Refused
from firmware_profiles.profiles.fleet import Group
from firmware_profiles.report.injected import Injected
from firmware_profiles.report.record import Trace
from firmware_profiles.twin.members import Member

TRACES_OF_A_GROUP = 2
COLUMNS = 96
"""Of the participation."""
POINTS_MAX = 2000
"""Of one board's trace; then every second one goes."""


@dataclass(slots=True)
class Points:
    """The trace of one board while it grows."""

    group: str
    board: str
    floor_pct: float | None = None
    points: list[tuple[int, float | None, float, str]] = field(default_factory=list)

    def add(self, at_ms: int, battery_pct: float | None, temperature_c: float, state: str) -> None:
        """A point; of those in a row that look alike only the first and the last are kept."""
        battery = None if battery_pct is None else round(battery_pct, 1)
        point = (at_ms, battery, round(temperature_c, 1), state)
        if [one[1:] for one in self.points[-2:]] == [point[1:]] * 2:
            self.points.pop()
        self.points.append(point)
        if len(self.points) > POINTS_MAX:
            self.points = self.points[::2]


def floor_of(group: Group) -> float | None:
    """The charge at which owners of a group stop training; None without a battery."""
    return float(group.limits.battery_stop_pct) if group.battery else None


@dataclass(slots=True)
class DeviceTally:
    """One device: the rounds it made updates for, how many were included, and in which spans of time it made
    these."""

    rounds: list[int] = field(default_factory=list)
    included: int = 0
    spans: Counter[int] = field(default_factory=Counter)
    joules_training: float = 0.0
    joules_radio: float = 0.0
    joules_board: float = 0.0
    """Of the whole board since it was switched on: idling, training and radio."""
    floor_breaks: int = 0
    empty_batteries: int = 0
    gates_closed_ms: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Tally:
    """All devices of one process; `span_ms` is the width of a column of the participation."""

    began_ms: int
    span_ms: int
    devices: dict[int, DeviceTally] = field(default_factory=dict)
    traces: dict[int, Points] = field(default_factory=dict)
    fates: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    bytes_up: Counter[str] = field(default_factory=Counter)
    bytes_down: Counter[str] = field(default_factory=Counter)
    injected: Injected = field(default_factory=Injected)

    @classmethod
    def over(cls, began_ms: int, whole_ms: int) -> Tally:
        """For a rehearsal that takes so long."""
        return cls(began_ms, max(1, whole_ms // COLUMNS))

    def of(self, device: int) -> DeviceTally:
        """The tally of one device."""
        found = self.devices.get(device)
        if found is None:
            found = self.devices[device] = DeviceTally()
        return found

    def note(self, note: Note) -> None:
        """A device says what happened."""
        self.notes[note.event] += 1

    def refused(self, refused: Refused) -> None:
        """A device did not accept something."""
        self.refusals[f"device: {refused.reason.value}"] += 1

    def made(self, device: int, round_number: int) -> None:
        """A device has trained in a round, and keeps an update for it."""
        self.of(device).rounds.append(round_number)

    def settled(self, device: int, effect: SettleUpdate, trained_ms: int) -> None:
        """The fate of an update, and when it was made."""
        reason = "" if effect.reason is None else f" ({effect.reason.value})"
        self.fates[effect.fate.value + reason] += 1
        if effect.fate == Fate.INCLUDED:
            own = self.of(device)
            own.included += 1
            own.spans[(trained_ms - self.began_ms) // self.span_ms] += 1

    def ended(
        self, device: int, closed_ms: Counter[str], up_bytes: Counter[str], down_bytes: Counter[str]
    ) -> None:
        """What a process counted that is gone: how long each gate was closed, and bytes by kind."""
        self.of(device).gates_closed_ms.update(closed_ms)
        self.bytes_up.update(up_bytes)
        self.bytes_down.update(down_bytes)

    def watch(self, member: Member) -> None:
        """The first boards of each group are traced."""
        if member.of_group < TRACES_OF_A_GROUP:
            group = member.group
            self.traces[member.number] = Points(group.name, group.board, floor_of(group))

    def trace(self, device: int) -> Points | None:
        """Where the points of a board go, if it is one of those that are traced."""
        return self.traces.get(device)

    def who(self, most: int) -> tuple[tuple[int, ...], ...]:
        """The devices that trained in each round, from the first; rounds whose devices together are at most
        so many."""
        found: dict[int, list[int]] = {}
        for number, one in sorted(self.devices.items()):
            for each in one.rounds:
                found.setdefault(each, []).append(number)
        rounds = [tuple(found.get(each, ())) for each in range(1, max(found, default=0) + 1)]
        fitting = sum(size <= most for size in accumulate(len(one) for one in rounds))
        return tuple(rounds[:fitting])

    def add(self, other: Tally) -> None:
        """Take what another process counted; no device is in both."""
        self.devices |= other.devices
        self.traces |= other.traces
        self.injected.add(other.injected)
        for name in ("fates", "refusals", "notes", "bytes_up", "bytes_down"):
            own: Counter[Any] = getattr(self, name)
            own.update(getattr(other, name))

    def traced(self) -> tuple[Trace, ...]:
        """All traces, by device."""
        return tuple(
            Trace(number, one.group, one.board, tuple(one.points), one.floor_pct)
            for number, one in sorted(self.traces.items())
        )
