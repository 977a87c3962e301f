"""The schema of the agent's one SQLite file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_client.adapters.conditions.traffic import MonthBytes
from edge_client.core.conditions.prediction import LOTS
from edge_client.runtime.database import Database, open_database

if TYPE_CHECKING:
    from sqlite_utils import Database as Schema

DATABASE_FILE = "agent.db"


def first_schema(database: Schema) -> None:
    """Facts by name; headers as 84-byte blobs; updates and their fate; parts of the residual; refusals."""
    # sqlite-utils makes no table without row ids, and this one is small and always read by name.
    database.execute("CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
    _create(database, "headers", height=int, linked=bytes)
    updates = {"root": bytes, "round": int, "head": bytes, "chunk_hashes": bytes, "fate": str}
    _create(database, "updates", **updates)
    database["updates"].add_column("reason", str)
    database["updates"].add_column("settled_height", int)
    _create(database, "residual", root=bytes, kind=str, freed_round=int)


def inclusion_proofs(database: Schema) -> None:
    """The proof that an update stands in a block, to be shown to others."""
    database["updates"].add_column("inclusion", bytes)


def kept_models(database: Schema) -> None:
    """Models worth keeping: where they are proven, and how they did on the local hold-out."""
    place = {"root": bytes, "round": int, "height": int, "app": bytes, "samples": int}
    measured = ("initial_accuracy", "initial_loss", "accuracy", "loss", "own_accuracy", "own_loss")
    _create(database, "models", **place, **dict.fromkeys(measured, float))


def validator_sets(database: Schema) -> None:
    """Handoffs between validator sets, by the epoch that ends; heights jumped to, and the way there."""
    _create(database, "handoffs", epoch=int, handoff=bytes)
    _create(database, "jumps", first=int, extension=bytes)


def shown_headers(database: Schema) -> None:
    """Headers that lie in a gap, each with its siblings in a range that reaches beyond the gap."""
    _create(database, "shown", height=int, proof=bytes)


def round_costs(database: Schema) -> None:
    """What rounds did cost, for predictions and `history`; energy is NULL without a meter."""
    _create(database, "costs", round=int, ended_ms=int, steps=int, train_ms=int, up=int, down=int)
    database["costs"].add_column("energy_mj", int)


def radio_costs(database: Schema) -> None:
    """What the radio took in a round, and what was predicted of the round."""
    database["costs"].add_column("radio_mj", int, not_null_default=0)
    database["costs"].add_column("predicted_mj", int)
    database["costs"].add_column("predicted_bytes", int)


def vouched_sets(database: Schema) -> None:
    """Handoffs that the owner's word showed, by the epoch that ends; their headers are in `shown`."""
    _create(database, "vouched", epoch=int, handoff=bytes)


def earnings(database: Schema) -> None:
    """Balance and bond together after the last round that counted, for `history`."""
    _create(database, "earnings", round=int, total=int)


def rounds_given_up(database: Schema) -> None:
    """Why rounds were left out, for `history`."""
    _create(database, "given_up", round=int, why=str)


def round_lots(database: Schema) -> None:
    """What was drawn for the pause after a round; the mean for those that are there."""
    database["costs"].add_column("lot", int, not_null_default=LOTS // 2)


def _create(database: Schema, table: str, **columns: type) -> None:
    """A table whose first column is its key and in which nothing may be missing."""
    key, *others = columns
    database[table].create(columns, pk=key, not_null=set(others))


MIGRATIONS = (
    first_schema,
    inclusion_proofs,
    kept_models,
    validator_sets,
    shown_headers,
    round_costs,
    vouched_sets,
    radio_costs,
    earnings,
    rounds_given_up,
    round_lots,
)


def open_device_database(folder: Path) -> Database:
    """Open or create the agent's database; raises `DatabaseError`."""
    return open_database(folder / DATABASE_FILE, MIGRATIONS)


def create_databases(folder: Path) -> None:
    """Make the agent's files where they are not yet, so that it finds them up to date; raises
    `DatabaseError`."""
    open_device_database(folder).close()
    MonthBytes(folder).close()
