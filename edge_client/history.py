"""What a device did, round by round: for `history`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.outbox_store import COSTS_KEPT_MAX, HISTORY_MAX
from edge_client.config import DeviceConfig
from edge_client.protocol.update import UNKNOWN_U32


def read_history(folder: Path, config: DeviceConfig) -> dict[str, Any]:
    """The latest rounds, oldest first, and what they earned so far; None where nobody measured. Raises
    `DatabaseError`."""
    disk = DeviceDisk(folder, config.chain.parsed().chain_id)
    try:
        costs, account = disk.outbox.costs(COSTS_KEPT_MAX), disk.chain.account()
        rewards, given_up = disk.chain.rewards(), disk.outbox.given_up()
        rows = sorted(disk.outbox.history(HISTORY_MAX), key=lambda row: row.head.round)
    finally:
        disk.close()
    rounds: list[dict[str, Any]] = []
    for row in rows:
        spent = costs.get(row.head.round)
        rounds.append(
            {
                "round": row.head.round,
                "fate": row.fate.value,
                "steps": row.head.steps,
                "train_ms": None if spent is None else spent.cost.train_ms,
                "energy_mj": _counted(row.head.energy_mj),
                "up_bytes": _counted(row.head.up_bytes),
                "down_bytes": _counted(row.head.down_bytes),
                "radio_mj": None if spent is None else spent.cost.radio_mj,
                "predicted_mj": None if spent is None else spent.predicted_mj,
                "predicted_bytes": None if spent is None else spent.predicted_bytes,
                "reward": rewards.get(row.head.round),
                "why": row.reason,
            }
        )
    sent = {one["round"] for one in rounds}
    rounds += [_left_out(number, why) for number, why in given_up.items() if number not in sent]
    rounds.sort(key=lambda one: int(one["round"] or 0))
    own = None if account is None else account[1].account
    return {
        "balance": None if own is None else own.balance,
        "contribution": None if own is None else own.contribution,
        "rounds": rounds,
    }


def _left_out(number: int, why: str) -> dict[str, Any]:
    unknown = (
        "train_ms",
        "energy_mj",
        "up_bytes",
        "down_bytes",
        "radio_mj",
        "predicted_mj",
        "predicted_bytes",
    )
    facts: dict[str, Any] = {"round": number, "fate": "given up", "steps": 0, **dict.fromkeys(unknown)}
    return {**facts, "reward": None, "why": why}


def _counted(value: int) -> int | None:
    return None if value == UNKNOWN_U32 else value
