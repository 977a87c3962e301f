"""The facts of one rehearsal, in the words of the report; what `report.json` holds.

Times are milliseconds since the rehearsal began (virtual ones when it was scaled), energies joules.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

RECORD_VERSION = 2


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """One closed round. `finality_ms` is from the proposal to the certificate; `accuracy` is on held-out data
    that nobody trained on, None where training is not real. `joules` is what all devices used since the
    rehearsal began, beside idling."""

    round: int
    height: int
    closed_ms: int
    updates: int
    accuracy: float | None
    finality_ms: int | None
    joules: float


@dataclass(frozen=True, slots=True)
class Trace:
    """What one board went through: (ms, battery % or None, temperature °C, state), a point at each change.

    States: `off`, `asleep`, `idle`, `training`. `floor_pct` is the charge at which its owner stops training.
    """

    device: int
    group: str
    board: str
    points: tuple[tuple[int, float | None, float, str], ...]
    floor_pct: float | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was broken on purpose: `what` in plain words, on whom."""

    at_ms: int
    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """What became of one group of the fleet file. `label` rows count included updates by the label a device
    has most of; `floor_breaks` are batteries below the owner's floor while it trained. `joules_board` is
    all that the boards used since they were switched on: idling, training and radio."""

    name: str
    board: str
    devices: int
    trained: int
    updates: int
    included: int
    joules_training: float
    joules_radio: float
    joules_board: float
    rewards: int
    floor_breaks: int
    empty_batteries: int
    gates_closed_h: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One rehearsal. `participation` has a row for each group and a column for each of equal spans of the
    rehearsal: how many included updates were trained in it. `trained` has, for each round from the first, the
    numbers of the devices that made an update for it; it ends early when there are too many. `faults` lists
    the first of each kind, all are in `fault_counts`. `command` makes the rehearsal again, if one did."""

    title: str
    mode: str
    policy: str
    fleet: str
    seed: int
    training: str
    devices: int
    validators: int
    span_ms: int
    wall_s: float
    speed: float | None
    software: str
    rounds: tuple[RoundFacts, ...]
    groups: tuple[GroupFacts, ...]
    participation: tuple[tuple[int, ...], ...]
    trained: tuple[tuple[int, ...], ...]
    traces: tuple[Trace, ...]
    bytes_up: Mapping[str, int]
    bytes_down: Mapping[str, int]
    refusals: Mapping[str, int]
    fates: Mapping[str, int]
    faults: tuple[Fault, ...]
    fault_counts: Mapping[str, int]
    labels: Mapping[str, int]
    heads_verified: int
    final_height: int
    final_hash: str
    final_accuracy: float | None
    command: str = ""
    version: int = field(default=RECORD_VERSION)

    def to_json(self) -> str:
        """As `report.json`."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> RunRecord:
        """The inverse of `to_json`; raises `ValueError` for another version."""
        data: dict[str, Any] = json.loads(text)
        if data.get("version") != RECORD_VERSION:
            raise ValueError(f"this is not a report of version {RECORD_VERSION}")
        return cls(
            **{
                **data,
                "rounds": tuple(RoundFacts(**one) for one in data["rounds"]),
                "groups": tuple(GroupFacts(**one) for one in data["groups"]),
                "participation": tuple(tuple(row) for row in data["participation"]),
                "trained": tuple(tuple(row) for row in data["trained"]),
                "traces": tuple(
                    Trace(**{**one, "points": tuple(tuple(point) for point in one["points"])})
                    for one in data["traces"]
                ),
                "faults": tuple(Fault(**one) for one in data["faults"]),
            }
        )

    @property
    def joules(self) -> float:
        """Of all devices, beside idling."""
        return sum(one.joules_training + one.joules_radio for one in self.groups)

    @property
    def joules_board(self) -> float:
        """Of all devices, with idling."""
        return sum(one.joules_board for one in self.groups)
