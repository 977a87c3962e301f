"""A device's status file: a refusal reaches it although the agent has nothing to do."""

from __future__ import annotations

from pathlib import Path

from edge_client.adapters.status_file import STATUS_FILE, STATUS_INTERVAL_MS, Reporting, read_status_file
from edge_client.protocol.machine import Woke
from tests.builders import ChainMaker
from tests.device_world import DeviceWorld

NOW_MS = 1_800_000_000_000


def test_a_refusal_is_written_although_nothing_else_happens(tmp_path: Path) -> None:
    refused: dict[str, int] = {}
    told: list[str] = []
    agent = DeviceWorld(ChainMaker()).agent
    reporting = Reporting(agent, tmp_path / STATUS_FILE, lambda: {"refused": dict(refused)}, told.append)
    reporting.handle(Woke(), NOW_MS)
    assert read_status_file(tmp_path)["refused"] == {}
    assert reporting.deadline() is None

    refused["malformed"] = 1
    reporting.changed()
    assert reporting.deadline() == NOW_MS + STATUS_INTERVAL_MS
    reporting.handle(Woke(), NOW_MS + STATUS_INTERVAL_MS - 1)
    assert read_status_file(tmp_path)["refused"] == {}
    reporting.handle(Woke(), NOW_MS + STATUS_INTERVAL_MS)
    assert read_status_file(tmp_path)["refused"] == {"malformed": 1}
    assert told == ["joining"] * 2
