"""Which errors are the disk's."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from edge_client.runtime.disk import disk_fault


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EROFS, "Read-only file system"),
        sqlite3.OperationalError("database or disk is full"),
        sqlite3.OperationalError("attempt to write a readonly database"),
    ],
)
def test_the_disk_is_named(error: Exception) -> None:
    sentence = disk_fault(error)
    assert sentence is not None
    assert str(error.args[-1]) in sentence


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file"),
        sqlite3.OperationalError("no such table"),
        ValueError("x"),
    ],
)
def test_other_errors_are_not_the_disk(error: Exception) -> None:
    assert disk_fault(error) is None


def test_what_a_full_database_says(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "small.db")
    database.execute("PRAGMA max_page_count = 4")
    database.execute("CREATE TABLE t (x BLOB)")
    with pytest.raises(sqlite3.OperationalError) as error:
        database.execute("INSERT INTO t VALUES (zeroblob(100000))")
    assert disk_fault(error.value) is not None
    database.close()
