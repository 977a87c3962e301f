"""The schema of the agent's one SQLite file."""

from __future__ import annotations

from pathlib import Path

from edge_client.runtime.database import Database, open_database

DATABASE_FILE = "agent.db"


def first_schema(database: Database) -> None:
    """Facts by name; headers as 84-byte blobs; updates and their fate; parts of the residual; refusals."""
    database.conn.execute("CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
    database.conn.execute("CREATE TABLE headers (height INTEGER PRIMARY KEY, linked BLOB NOT NULL)")
    database.conn.execute(
        "CREATE TABLE updates (root BLOB PRIMARY KEY, round INTEGER NOT NULL, head BLOB NOT NULL,"
        " chunk_hashes BLOB NOT NULL, fate TEXT NOT NULL, reason TEXT, settled_height INTEGER)"
    )
    database.conn.execute(
        "CREATE TABLE residual (root BLOB PRIMARY KEY, kind TEXT NOT NULL, freed_round INTEGER NOT NULL)"
    )


def inclusion_proofs(database: Database) -> None:
    """The proof that an update stands in a block, to be shown to others."""
    database.conn.execute("ALTER TABLE updates ADD COLUMN inclusion BLOB")


def kept_models(database: Database) -> None:
    """Models worth keeping: where they are proven, and how they did on the local hold-out."""
    database.conn.execute(
        "CREATE TABLE models (root BLOB PRIMARY KEY, round INTEGER NOT NULL, height INTEGER NOT NULL,"
        " app BLOB NOT NULL, samples INTEGER NOT NULL, initial_accuracy REAL NOT NULL, initial_loss REAL"
        " NOT NULL, accuracy REAL NOT NULL, loss REAL NOT NULL, own_accuracy REAL NOT NULL,"
        " own_loss REAL NOT NULL)"
    )


def validator_sets(database: Database) -> None:
    """Handoffs between validator sets, by the epoch that ends; heights jumped to, and the way there."""
    database.conn.execute("CREATE TABLE handoffs (epoch INTEGER PRIMARY KEY, handoff BLOB NOT NULL)")
    database.conn.execute("CREATE TABLE jumps (first INTEGER PRIMARY KEY, extension BLOB NOT NULL)")


def shown_headers(database: Database) -> None:
    """Headers that lie in a gap, each with its siblings in a range that reaches beyond the gap."""
    database.conn.execute("CREATE TABLE shown (height INTEGER PRIMARY KEY, proof BLOB NOT NULL)")


def round_costs(database: Database) -> None:
    """What rounds did cost, for predictions and `history`; energy is NULL without a meter."""
    database.conn.execute(
        "CREATE TABLE costs (round INTEGER PRIMARY KEY, ended_ms INTEGER NOT NULL, steps INTEGER NOT NULL,"
        " train_ms INTEGER NOT NULL, energy_mj INTEGER, up INTEGER NOT NULL, down INTEGER NOT NULL)"
    )


def vouched_sets(database: Database) -> None:
    """Handoffs that the owner's word showed, by the epoch that ends; their headers are in `shown`."""
    database.conn.execute("CREATE TABLE vouched (epoch INTEGER PRIMARY KEY, handoff BLOB NOT NULL)")


MIGRATIONS = (
    first_schema,
    inclusion_proofs,
    kept_models,
    validator_sets,
    shown_headers,
    round_costs,
    vouched_sets,
)


def open_device_database(folder: Path) -> Database:
    """Open or create the agent's database; raises `DatabaseError`."""
    return open_database(folder / DATABASE_FILE, MIGRATIONS)
