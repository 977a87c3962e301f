"""What the demo reports: read from the disks, logs and /proc of real processes, and from the observer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_client.protocol.header import Header
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


def validator_hashes(folder: Path) -> dict[int, bytes]:
    """Every finalised height and its header hash on a validator's disk."""
    rows = _query(folder / "state" / "validator.db", "select height, header, hash from headers")
    return {Header.decode(header).height: header_hash for _, header, header_hash in rows}


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


def consensus_times(event_files: Sequence[Path]) -> Times:
    """`finality`: the leader's publish of the proposal to the q-th validator's finality certificate.
    `round_close`: the first validator that saw the round due, to the same moment. Rounds that closed only."""
    needed = quorum(len(event_files))
    proposed: dict[int, int] = {}
    due: dict[int, int] = {}
    final: dict[int, list[int]] = {}
    rounds: dict[int, int] = {}
    for path in event_files:
        for event in _events(path):
            at_ms = int(event["at_ms"])
            if event["event"] == "proposed":
                height = int(event["height"])
                proposed[height] = min(at_ms, proposed.get(height, at_ms))
            elif event["event"] == "due":
                number = int(event["round"])
                due[number] = min(at_ms, due.get(number, at_ms))
            elif event["event"] == "block_final" and event["updates"]:
                final.setdefault(int(event["height"]), []).append(at_ms)
                rounds[int(event["height"])] = int(event["round"]) - 1
    decided = {height: sorted(times)[needed - 1] for height, times in final.items() if len(times) >= needed}
    finality = [at - proposed[height] for height, at in decided.items() if height in proposed]
    close = [at - due[rounds[height]] for height, at in decided.items() if rounds[height] in due]
    return Times(Percentiles.of(finality), Percentiles.of(close))


def _events(path: Path) -> list[Mapping[str, Any]]:
    """Whole lines only: a killed process may leave half of one."""
    events = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events
