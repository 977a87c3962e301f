"""The gates as seen from outside the running agent: for `why`. Looks at the board itself, so that it also
answers while nothing runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_client.adapters.conditions.board import Board, Roots, month_of
from edge_client.adapters.conditions.traffic import MonthBytes
from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.status_file import read_status_file
from edge_client.config import DeviceConfig
from edge_client.core.conditions.gates import Asked, Verdict, verdicts
from edge_client.core.conditions.prediction import predict
from edge_client.runtime.lock import is_running

ROUNDS_LOOKED_AT = 1000


def read_gates(
    folder: Path, config: DeviceConfig, now_ms: int, roots: Roots | None = None
) -> tuple[Verdict, ...]:
    """What each gate says now; those that a running agent closed stay closed up to their second threshold.
    Raises `DatabaseError`."""
    disk = DeviceDisk(folder, config.chain.parsed().chain_id)
    try:
        past = disk.costs(ROUNDS_LOOKED_AT)
    finally:
        disk.close()
    months = MonthBytes(folder)
    try:
        month_bytes = months.count(month_of(now_ms), 0, 0)
    finally:
        months.close()
    words = read_status_file(folder) if is_running(folder) else {}
    conditions = Board(folder, roots).look(now_ms, month_bytes)
    asked = Asked(
        conditions=conditions,
        limits=config.limits,
        prediction=predict(past, conditions.calibration),
        now_ms=now_ms,
        training=words.get("phase") == "training",
        rounds_ended_ms=tuple(one.ended_ms for one in past),
        lots=tuple(one.lot for one in past),
    )
    return verdicts(asked, frozenset(words.get("closed_gates", ())))


def agent_word(folder: Path) -> str | None:
    """Why the running agent does not start to train, in its own words; None when none runs."""
    word = read_status_file(folder).get("why") if is_running(folder) else None
    return word if isinstance(word, str) else None


def read_plan(folder: Path) -> dict[str, Any] | None:
    """Until when (`until_ms`, Unix) a running agent sleeps, and why (`because`); None when it does not."""
    words = read_status_file(folder) if is_running(folder) else {}
    plan: dict[str, Any] | None = words.get("asleep")
    return plan
