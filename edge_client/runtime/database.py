"""SQLite, opened the one way that survives power cuts: write-ahead log, every commit synced, foreign keys on.

Uses sqlite-utils for schema, migrations and queries; bulk inserts of headers go through `executemany` on
`Database.conn`. Importing it costs 3 MiB and 30 ms on top of what the agent has loaded anyway (27 MiB alone,
because it loads numpy), so commands that need no database do not import this module.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database, Migrations

Migration = Callable[[Database], None]
"""Changes the schema; its `__name__` is its record, so a published migration is never renamed or edited."""


class DatabaseError(Exception):
    """The database file cannot be used; the text is one sentence for the user."""


def open_database(path: Path, migrations: Sequence[Migration]) -> Database:
    """Open or create `path` and apply the migrations it lacks, each in one transaction with its record.

    Raises DatabaseError for a file that is not a database, is damaged, or was written by a newer version.
    The connection belongs to the thread that opened it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = Database(sqlite3.connect(path), execute_plugins=False)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(f"cannot open the database {path}: {error}") from error
    try:
        _configure(database)
        _check(database, path)
        _migrate(database, path, migrations)
    except BaseException as error:
        database.close()
        if isinstance(error, sqlite3.DatabaseError):
            raise DatabaseError(f"the database {path} cannot be used ({error}); {_MEND}") from error
        raise
    return database


@contextmanager
def transaction(database: Database) -> Iterator[Database]:
    """All writes inside are committed and synced together, or none of them.

    An error from SQLite is not caught here: a Persist that fails must end the process.
    """
    with database.atomic():
        yield database


_MEND = "make room if the disk is full; for a damaged file see docs/OPERATIONS.md, 'When something breaks'"


def _configure(database: Database) -> None:
    """FULL, not NORMAL: NORMAL may lose the last commits at a power cut, and we sign after commits."""
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000"):
        database.conn.execute(f"PRAGMA {pragma}").fetchall()


def _check(database: Database, path: Path) -> None:
    (answer,) = database.conn.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise DatabaseError(f"the database {path} is damaged ({answer}); {_MEND}")


def _migrate(database: Database, path: Path, migrations: Sequence[Migration]) -> None:
    known = Migrations("schema")
    for migration in migrations:
        known()(migration)
    names = {migration.__name__ for migration in migrations}
    newer = [applied.name for applied in known.applied(database) if applied.name not in names]
    if newer:
        raise DatabaseError(f"the database {path} was written by a newer version ({newer[0]}); upgrade first")
    known.apply(database)
