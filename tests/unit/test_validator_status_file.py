"""A validator's status file: everything gets into it, soon, and not too often."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from broker.adapters.status_file import (
    STATUS_FILE,
    STATUS_INTERVAL_MS,
    Reporting,
    read_status_file,
)
from broker.core.validator import Validator
from edge_client.protocol.errors import Reason
from edge_client.protocol.machine import Note, Woke
from firmware_profiles.emulate.pace import status_interval_ms
from tests.builders import make_genesis, make_signers
from tests.simulation.world import World

NOW_MS = 1_800_000_000_000


def reporting(folder: Path, interval_ms: int = STATUS_INTERVAL_MS) -> tuple[Reporting, Counter[Reason]]:
    node = World(make_genesis(4), make_signers(4)).add_validator(0)
    assert isinstance(node.machine, Validator)
    counts = Counter[Reason]()
    return Reporting(node.machine, folder / STATUS_FILE, counts, interval_ms), counts


def test_what_happens_is_written_although_nothing_else_happens(tmp_path: Path) -> None:
    one, counts = reporting(tmp_path)
    one.note(Note("validator_started", {"height": 7}), NOW_MS)
    one.handle(Woke(), NOW_MS)
    assert read_status_file(tmp_path)["validator_started"] == {"height": 7, "at_ms": NOW_MS}

    counts[Reason.MALFORMED] += 1
    one.changed()
    assert one.deadline() == NOW_MS + STATUS_INTERVAL_MS
    one.handle(Woke(), NOW_MS + STATUS_INTERVAL_MS - 1)
    assert read_status_file(tmp_path)["refused"] == {}
    one.handle(Woke(), NOW_MS + STATUS_INTERVAL_MS)
    assert read_status_file(tmp_path)["refused"] == {"malformed": 1}


def test_on_a_clock_that_goes_faster_it_waits_as_long_on_the_wall(tmp_path: Path) -> None:
    speed = 60.0
    one, _ = reporting(tmp_path, status_interval_ms(speed))
    one.handle(Woke(), NOW_MS)
    one.changed()
    due_ms = one.deadline()
    assert due_ms is not None
    assert (due_ms - NOW_MS) / speed == STATUS_INTERVAL_MS


def test_a_quiet_validator_writes_nothing(tmp_path: Path) -> None:
    one, _ = reporting(tmp_path)
    one.handle(Woke(), NOW_MS)
    assert read_status_file(tmp_path) == {}


def test_what_is_no_status_is_none(tmp_path: Path) -> None:
    for text in ("", "{", "[1]"):
        (tmp_path / STATUS_FILE).write_text(text)
        assert read_status_file(tmp_path) == {}
