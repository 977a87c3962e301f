from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlite_utils import Database as Schema

from edge_client.adapters.device_database import create_databases
from edge_client.runtime import database as module
from edge_client.runtime.database import (
    Database,
    DatabaseDiskError,
    DatabaseError,
    open_database,
    transaction,
)


def create_things(database: Schema) -> None:
    database["things"].create({"id": int, "name": str}, pk="id")


def add_parts(database: Schema) -> None:
    database["parts"].create({"id": int, "thing": int}, pk="id", foreign_keys=[("thing", "things", "id")])


def fail(database: Schema) -> None:
    database["half"].create({"id": int})
    raise RuntimeError("bug in a migration")


def names(database: Database) -> set[str]:
    rows = database.conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in rows if not name.startswith("_")}


def test_settings_are_those_that_survive_a_power_cut(tmp_path: Path) -> None:
    database = open_database(tmp_path / "deep" / "node.db", [create_things])
    pragmas = {
        name: database.conn.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_migrations_run_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    open_database(path, [create_things]).close()
    database = open_database(path, [create_things, add_parts])
    assert names(database) == {"things", "parts"}


def test_a_failed_migration_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    with pytest.raises(RuntimeError, match="bug in a migration"):
        open_database(path, [create_things, fail])
    assert names(open_database(path, [create_things])) == {"things"}


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    database = open_database(path, [create_things])
    insert_twice = "INSERT INTO things VALUES (1, ?)"
    with pytest.raises(sqlite3.IntegrityError), transaction(database):
        database.conn.executemany(insert_twice, [("a",), ("b",)])
    with transaction(database):
        database.conn.execute("INSERT INTO things VALUES (2, 'c')")
    other = sqlite3.connect(path)
    assert other.execute("SELECT id FROM things").fetchall() == [(2,)]


def test_a_transaction_in_another_fails_alone_and_is_committed_with_it(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    database, other = open_database(path, [create_things]), sqlite3.connect(path)
    with transaction(database):
        with transaction(database):
            database.conn.execute("INSERT INTO things VALUES (1, 'a')")
        with pytest.raises(sqlite3.IntegrityError), transaction(database):
            database.conn.executemany("INSERT INTO things VALUES (?, '')", [(2,), (1,)])
        assert other.execute("SELECT id FROM things").fetchall() == []
    assert other.execute("SELECT id FROM things").fetchall() == [(1,)]


def test_foreign_keys_are_enforced(tmp_path: Path) -> None:
    database = open_database(tmp_path / "node.db", [create_things, add_parts])
    with pytest.raises(sqlite3.IntegrityError), transaction(database):
        database.conn.execute("INSERT INTO parts VALUES (1, 99)")


def test_a_newer_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    open_database(path, [create_things, add_parts]).close()
    with pytest.raises(DatabaseError, match=r"newer version \(add_parts\)"):
        open_database(path, [create_things])


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    path.write_bytes(b"not a database, by any means" * 100)
    with pytest.raises(DatabaseError, match=str(path)):
        open_database(path, [create_things])
    with pytest.raises(DatabaseError, match="cannot open"):
        open_database(tmp_path, [create_things])


def test_damage_is_found_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    database = open_database(path, [create_things])
    with transaction(database):
        database.conn.executemany("INSERT INTO things VALUES (?, ?)", ((i, "x" * 500) for i in range(200)))
    database.close()
    with path.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(bytes(range(256)) * 16 * 3)
    with pytest.raises(DatabaseError, match="for a damaged file see docs"):
        open_database(path, [create_things])


def test_a_file_that_lacks_nothing_is_opened_without_sqlite_utils(tmp_path: Path) -> None:
    """The agent opens files that `edge-client init` made."""
    create_databases(tmp_path)
    code = (
        "import sys; from pathlib import Path; from edge_client.adapters.device_database import *;"
        f"create_databases(Path({str(tmp_path)!r})); sys.exit('sqlite_utils' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("text", ["disk I/O error", "database or disk is full"])
def test_a_disk_that_takes_nothing_is_told_from_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    def full(_: Database) -> None:
        raise sqlite3.OperationalError(text)

    monkeypatch.setattr(module, "_configure", full)
    with pytest.raises(DatabaseDiskError, match=f"{text}.*make room or mend it"):
        open_database(tmp_path / "node.db", [create_things])
