"""Grouping of Persist effects: order kept, one commit, nothing durable that a crash may part."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from broker.adapters.block_store import BlockStore
from broker.adapters.together import Together, grouped
from broker.core.effects import AppendLog
from edge_client.protocol.machine import Note, Publish
from tests.builders import make_genesis

FIRST, SECOND, THIRD = (AppendLog(0, slot, bytes([slot])) for slot in (1, 2, 3))
SAY, TELL = Publish("topic", b"payload"), Note("event")


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        ([], []),
        ([SAY, TELL], [SAY, TELL]),
        ([FIRST], [Together((FIRST,))]),
        ([FIRST, SECOND, SAY], [Together((FIRST, SECOND)), SAY]),
        ([FIRST, SAY, SECOND, THIRD], [Together((FIRST,)), SAY, Together((SECOND, THIRD))]),
        ([TELL, FIRST, TELL, SECOND], [TELL, Together((FIRST,)), TELL, Together((SECOND,))]),
    ],
)
def test_only_neighbours_are_grouped(effects, expected):
    assert grouped(effects) == expected


def log_of(folder: Path) -> bytes:
    """What another process finds now."""
    store = BlockStore(folder, make_genesis(), {})
    try:
        return store.load().log
    finally:
        store.close()


def test_a_group_is_on_the_disk_when_its_executor_returns(tmp_path: Path):
    store = BlockStore(tmp_path, make_genesis(), {})
    store.executors()[Together](Together((FIRST, SECOND)))
    assert log_of(tmp_path) == b"\x01\x02"
    store.close()


def test_a_group_that_fails_leaves_none_of_its_rows(tmp_path: Path):
    store = BlockStore(tmp_path, make_genesis(), {})
    unwritable = AppendLog(0, 2, object())  # type: ignore[arg-type]
    with pytest.raises(sqlite3.Error):
        store.store_together(Together((FIRST, unwritable)))
    store.close()
    assert log_of(tmp_path) == b""
