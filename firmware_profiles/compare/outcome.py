"""What one run of a comparison showed, small enough to keep them all: a line of `results.jsonl`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from firmware_profiles.compare.cases import Case, Situation
from firmware_profiles.compare.policies import Policy
from firmware_profiles.report import measures
from firmware_profiles.report.record import RunRecord

AROUND = 2
"""So many rounds before and after one, as far as there are as many on both sides, are looked at with it."""
LAST_SHARE = 10
"""What a fleet ends with is the mean over the last tenth of its rounds: single models go up and down."""


@dataclass(frozen=True, slots=True)
class Step:
    """A closed round: when (ms), the accuracy of its model, and the joules of the fleet until then, beside
    idling."""

    closed_ms: int
    accuracy: float
    joules: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Sums over the run, all devices; fairness is Jain's index of included updates."""

    case: Case
    span_ms: int
    steps: tuple[Step, ...]
    joules: float
    bytes: int
    trained: int
    updates: int
    included: int
    lost: int
    floor_breaks: int
    empty_batteries: int
    fairness_labels: float | None
    fairness_boards: float | None
    wall_s: float
    final_hash: str

    @classmethod
    def of(cls, case: Case, record: RunRecord) -> Outcome:
        """From the facts of a rehearsal."""
        return cls(
            case=case,
            span_ms=record.span_ms,
            steps=tuple(
                Step(one.closed_ms, one.accuracy, one.joules)
                for one in record.rounds
                if one.accuracy is not None
            ),
            joules=record.joules,
            bytes=measures.bytes_total(record),
            trained=measures.trained(record),
            updates=sum(group.updates for group in record.groups),
            included=sum(group.included for group in record.groups),
            lost=measures.lost_updates(record),
            floor_breaks=measures.floor_breaks(record),
            empty_batteries=measures.empty_batteries(record),
            fairness_labels=measures.fairness_of_labels(record),
            fairness_boards=measures.fairness_of_boards(record),
            wall_s=record.wall_s,
            final_hash=record.final_hash,
        )

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Outcome:
        """The inverse of `to_json`; raises `ValueError`, `KeyError` or `TypeError` for anything else."""
        data: dict[str, Any] = json.loads(line)
        case = data.pop("case")
        steps = tuple(Step(**one) for one in data.pop("steps"))
        return cls(case=Case(Policy(case["policy"]), Situation(**case["situation"])), steps=steps, **data)

    @property
    def final_accuracy(self) -> float | None:
        """Mean over the last rounds; None if none was closed."""
        last = self.steps[-max(1, len(self.steps) // LAST_SHARE) :]
        return sum(one.accuracy for one in last) / len(last) if last else None

    def reached(self, accuracy: float) -> Step | None:
        """The first round around which models were at least so good, in the mean; None if there was none."""
        for number, one in enumerate(self.steps):
            each_side = min(AROUND, number, len(self.steps) - 1 - number)
            near = self.steps[number - each_side : number + each_side + 1]
            if sum(other.accuracy for other in near) / len(near) >= accuracy:
                return one
        return None
