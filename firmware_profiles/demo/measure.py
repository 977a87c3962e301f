"""What the demo reports: read from the disks, logs and /proc of real processes, and from the observer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_client.protocol.validators import quorum

BUSY_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Median and 95th percentile of a list of times, in milliseconds; None of an empty list."""

    p50: int | None
    p95: int | None

    @classmethod
    def of(cls, values: Sequence[int]) -> Percentiles:
        """Nearest-rank percentiles."""
        ranked = sorted(values)
        if not ranked:
            return cls(None, None)
        return cls(ranked[(len(ranked) - 1) // 2], ranked[min(len(ranked) - 1, len(ranked) * 95 // 100)])

    def as_dict(self) -> dict[str, int | None]:
        """For JSON."""
        return {"p50": self.p50, "p95": self.p95}


def validator_head(folder: Path, chain_id: bytes) -> tuple[int, bytes]:
    """(height, hash) of the last finalised header on a validator's disk; the chain id at height 0."""
    database = folder / "state" / "validator.db"
    rows = _query(database, "select height, hash from headers order by height desc limit 1")
    return (rows[0][0], rows[0][1]) if rows else (0, chain_id)


def _query(database: Path, query: str) -> list[tuple[Any, ...]]:
    if not database.exists():
        return []
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
    try:
        return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Times:
    """How long consensus took, from the validators' own events (one machine, one clock)."""

    finality_ms: Percentiles
    round_close_ms: Percentiles


@dataclass(slots=True)
class _Seen:
    """When what happened, in Unix milliseconds: by height, and by round for `due`."""

    proposed: dict[int, int] = field(default_factory=dict)
    due: dict[int, int] = field(default_factory=dict)
    final: dict[int, list[int]] = field(default_factory=dict)
    rounds: dict[int, int] = field(default_factory=dict)

    def take(self, event: Mapping[str, Any]) -> None:
        """Note one event of one validator."""
        at_ms = int(event["at_ms"])
        if event["event"] == "proposed":
            height = int(event["height"])
            self.proposed[height] = min(at_ms, self.proposed.get(height, at_ms))
        elif event["event"] == "due":
            number = int(event["round"])
            self.due[number] = min(at_ms, self.due.get(number, at_ms))
        elif event["event"] == "block_final" and event["updates"]:
            height = int(event["height"])
            self.final.setdefault(height, []).append(at_ms)
            self.rounds[height] = int(event["round"]) - 1

    def finality_ms(self, height: int, needed: int) -> int | None:
        """Of one block that closed a round; None while it is unknown."""
        times = sorted(self.final.get(height, []))
        if len(times) < needed or height not in self.proposed:
            return None
        return times[needed - 1] - self.proposed[height]

    def close_ms(self, height: int, needed: int) -> int | None:
        """From due to final."""
        times, due = sorted(self.final.get(height, [])), self.due.get(self.rounds.get(height, 0))
        return times[needed - 1] - due if len(times) >= needed and due is not None else None


def consensus_times(event_files: Sequence[Path]) -> Times:
    """`finality`: the leader's publish of the proposal to the q-th validator's finality certificate.
    `round_close`: the first validator that saw the round due, to the same moment. Rounds that closed only."""
    seen, needed = _seen(event_files), quorum(len(event_files))
    finality = (seen.finality_ms(height, needed) for height in seen.final)
    close = (seen.close_ms(height, needed) for height in seen.final)
    return Times(
        Percentiles.of([one for one in finality if one is not None]),
        Percentiles.of([one for one in close if one is not None]),
    )


def finality_of(event_files: Sequence[Path], height: int) -> int | None:
    """Finality of one block in milliseconds, as far as the validators have written it down by now."""
    return _seen(event_files).finality_ms(height, quorum(len(event_files)))


def _seen(event_files: Sequence[Path]) -> _Seen:
    seen = _Seen()
    for path in event_files:
        for event in _events(path):
            seen.take(event)
    return seen


def _events(path: Path) -> list[Mapping[str, Any]]:
    """Whole lines only: a killed process may leave half of one."""
    events = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events
