"""The schema of a validator's one SQLite file."""

from __future__ import annotations

from sqlite_utils import Database as Schema

from broker.adapters.mmr_table import create_mmr
from broker.adapters.retention import create_retention

DATABASE_FILE = "validator.db"


def create_tables(database: Schema) -> None:
    """First schema."""
    database["meta"].create({"key": str, "value": bytes}, pk="key")
    database["headers"].create(
        {"height": int, "hash": bytes, "header": bytes, "certificate": bytes}, pk="height"
    )
    database["accounts"].create({"id": int, "account": bytes}, pk="id")
    database["inclusions"].create({"update_root": bytes, "height": int, "place": int}, pk="update_root")
    database["handoffs"].create({"epoch": int, "handoff": bytes}, pk="epoch")
    database["offers"].create({"update_root": bytes, "offer": bytes}, pk="update_root")
    database["consensus_log"].create({"seq": int, "epoch": int, "slot": int, "entry": bytes}, pk="seq")


def create_evidence(database: Schema) -> None:
    """Evidence of two final histories; and pairs that convict a key and wait for a block, as records."""
    database["attacks"].create({"seq": int, "attack": bytes}, pk="seq")
    database["evidence"].create({"key": bytes, "record": bytes}, pk="key")


MIGRATIONS = (create_tables, create_mmr, create_retention, create_evidence)
