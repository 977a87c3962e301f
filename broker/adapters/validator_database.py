"""The schema of a validator's one SQLite file."""

from __future__ import annotations

from broker.adapters.mmr_table import create_mmr
from broker.adapters.retention import create_retention
from edge_client.runtime.database import Database

DATABASE_FILE = "validator.db"


def create_tables(database: Database) -> None:
    """First schema."""
    database.conn.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB)")
    database.conn.execute(
        "CREATE TABLE headers (height INTEGER PRIMARY KEY, hash BLOB, header BLOB, certificate BLOB)"
    )
    database.conn.execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, account BLOB)")
    database.conn.execute(
        "CREATE TABLE inclusions (update_root BLOB PRIMARY KEY, height INTEGER, place INTEGER)"
    )
    database.conn.execute("CREATE TABLE handoffs (epoch INTEGER PRIMARY KEY, handoff BLOB)")
    database.conn.execute("CREATE TABLE offers (update_root BLOB PRIMARY KEY, offer BLOB)")
    database.conn.execute(
        "CREATE TABLE consensus_log (seq INTEGER PRIMARY KEY, epoch INTEGER, slot INTEGER, entry BLOB)"
    )


def create_evidence(database: Database) -> None:
    """Evidence of two final histories; and pairs that convict a key and wait for a block, as records."""
    database.conn.execute("CREATE TABLE attacks (seq INTEGER PRIMARY KEY, attack BLOB)")
    database.conn.execute("CREATE TABLE evidence (key BLOB PRIMARY KEY, record BLOB)")


MIGRATIONS = (create_tables, create_mmr, create_retention, create_evidence)
