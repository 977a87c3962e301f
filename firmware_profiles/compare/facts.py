"""The facts of one comparison, as the page needs them; what `compare.json` holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from firmware_profiles.compare.outcome import Outcome
from firmware_profiles.compare.scores import Comparison, compare

VERSION = 1
KIND = "comparison"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What was run: `fleet` as it was named, its title, boards, virtual hours, seeds of the fleet as given,
    and those with a parameter moved; the command without its places on disk; the software."""

    fleet: str
    title: str
    devices: int
    hours: float
    seeds: int
    moved_seeds: int
    command: str
    software: str


@dataclass(frozen=True, slots=True)
class ComparedFacts:
    """All of it; `comparison` follows from `outcomes`."""

    circumstances: Circumstances
    outcomes: tuple[Outcome, ...]
    comparison: Comparison

    @classmethod
    def of(cls, circumstances: Circumstances, outcomes: Sequence[Outcome]) -> ComparedFacts:
        """Score the runs; raises `ValueError` as `compare` does."""
        return cls(circumstances, tuple(outcomes), compare(outcomes))

    def to_json(self) -> str:
        """As `compare.json`; a run is one line of it, as in `results.jsonl`."""
        runs = ",\n  ".join(one.to_json() for one in self.outcomes)
        head = {"kind": KIND, "version": VERSION, "circumstances": asdict(self.circumstances)}
        text = json.dumps({**head, **asdict(self.comparison)}, indent=1)
        return f'{text.removesuffix("}").rstrip()},\n "outcomes": [\n  {runs}\n ]\n}}\n'

    @classmethod
    def from_json(cls, text: str) -> ComparedFacts:
        """The inverse of `to_json`; raises `ValueError` for anything else."""
        try:
            data: dict[str, Any] = json.loads(text)
            if (data["kind"], data["version"]) != (KIND, VERSION):
                raise ValueError(f"this is not a comparison of version {VERSION}")
            outcomes = [Outcome.from_json(json.dumps(one)) for one in data["outcomes"]]
            return cls.of(Circumstances(**data["circumstances"]), outcomes)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("its fields are not those of a comparison") from error
