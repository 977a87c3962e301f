"""SQLite, opened the one way that survives power cuts: write-ahead log, every commit synced, foreign keys on.

sqlite-utils makes and changes tables. It is loaded only when a file lacks a migration: `edge-client init`
makes the agent's files, so that an agent that runs does not pay the 3 MB it takes (docs/PERFORMANCE.md).
Rows are read and written with plain `sqlite3`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from edge_client.runtime.disk import disk_fault, read_only_fault
from edge_client.runtime.files import make_folder

if TYPE_CHECKING:
    from sqlite_utils import Database as Schema


@dataclass(frozen=True, slots=True)
class Database:
    """One open database file; `conn` commits each statement by itself unless a `transaction` is open."""

    conn: sqlite3.Connection

    def close(self) -> None:
        """Close the connection; what is not committed is lost."""
        self.conn.close()


Migration: TypeAlias = "Callable[[Schema], None]"
"""Changes the schema; its `__name__` is its record, so a published migration is never renamed or edited."""


class DatabaseError(Exception):
    """The database file cannot be used; the text is one sentence for the user."""


class DatabaseDiskError(DatabaseError):
    """The file may be sound, but its disk takes no writes: once that is mended, it opens."""


def open_database(path: Path, migrations: Sequence[Migration]) -> Database:
    """Open or create `path` and apply the migrations it lacks, each in one transaction with its record.

    Raises DatabaseError for a file that is not a database, is damaged, or was written by a newer version, and
    DatabaseDiskError where the disk is full, read-only or failing: opening a file writes beside it.
    The connection belongs to the thread that opened it.
    """
    try:
        make_folder(path.parent)
        database = Database(sqlite3.connect(path, isolation_level=None))
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error
    try:
        _configure(database)
        _check(database, path)
        _migrate(database, path, migrations)
    except BaseException as error:
        database.close()
        if isinstance(error, sqlite3.DatabaseError):
            raise _unusable(path, error) from error
        raise
    return database


@contextmanager
def transaction(database: Database) -> Iterator[Database]:
    """All writes inside are committed and synced together, or none of them; one inside another is a part of
    it, which can fail alone.

    An error from SQLite is not caught here: a Persist that fails must end the process.
    """
    conn = database.conn
    inside = conn.in_transaction
    begin, commit, undo = _PART if inside else _WHOLE
    conn.execute(begin)
    try:
        yield database
        conn.execute(commit)
    except BaseException:
        for statement in undo if conn.in_transaction else ():  # an error may have ended it already
            conn.execute(statement)
        raise


_WHOLE = ("BEGIN", "COMMIT", ("ROLLBACK",))
_PART = ("SAVEPOINT part", "RELEASE part", ("ROLLBACK TO part", "RELEASE part"))
_MEND = "for a damaged file see docs/OPERATIONS.md, 'When something breaks'"
_CANNOT_OPEN = "unable to open"
"""SQLite's own words for any reason for which it cannot make the files beside the database."""


def _unusable(path: Path, error: OSError | sqlite3.Error) -> DatabaseError:
    cannot_open = isinstance(error, OSError) or _CANNOT_OPEN in str(error)
    fault = disk_fault(error) or (read_only_fault(path.parent) if cannot_open else None)
    if fault is not None:
        return DatabaseDiskError(f"the database {path} cannot be opened: {fault}")
    if cannot_open:
        return DatabaseError(f"cannot open the database {path} ({error}); may this user write in its folder?")
    return DatabaseError(f"the database {path} cannot be used ({error}); {_MEND}")


def _configure(database: Database) -> None:
    """FULL, not NORMAL: NORMAL may lose the last commits at a power cut, and we sign after commits."""
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000"):
        database.conn.execute(f"PRAGMA {pragma}").fetchall()


def _check(database: Database, path: Path) -> None:
    (answer,) = database.conn.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise DatabaseError(f"the database {path} is damaged ({answer}); {_MEND}")


def _migrate(database: Database, path: Path, migrations: Sequence[Migration]) -> None:
    conn = database.conn
    conn.execute("CREATE TABLE IF NOT EXISTS _migrations (name TEXT PRIMARY KEY)")
    applied = [row[0] for row in conn.execute("SELECT name FROM _migrations ORDER BY rowid")]
    names = {migration.__name__ for migration in migrations}
    newer = [name for name in applied if name not in names]
    if newer:
        raise DatabaseError(f"the database {path} was written by a newer version ({newer[0]}); upgrade first")
    lacking = [migration for migration in migrations if migration.__name__ not in applied]
    if not lacking:
        return
    from sqlite_utils import Database as Schema  # noqa: PLC0415 - see the module's docstring

    schema = Schema(conn, execute_plugins=False)
    for migration in lacking:
        with transaction(database):
            migration(schema)
            conn.execute("INSERT INTO _migrations (name) VALUES (?)", (migration.__name__,))
