"""Headers out of gaps: those that own receipts, accounts and models need, each with its way to later ones.

Table `shown`, some 700 bytes a row, at most one for each thing of its own the device can prove.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge_client.protocol.encoding import Reader
from edge_client.protocol.proofs import AncestorProof
from edge_client.runtime.database import Database


def keep_shown(database: Database, proofs: Iterable[AncestorProof]) -> None:
    """Write them, inside the caller's transaction. One that is there stays: its range is as good."""
    rows = [(one.header.height, one.encode()) for one in proofs]
    database.conn.executemany("INSERT OR IGNORE INTO shown (height, proof) VALUES (?, ?)", rows)


def read_shown(database: Database) -> dict[int, AncestorProof]:
    """All of them, by height."""
    rows = database.conn.execute("SELECT height, proof FROM shown ORDER BY height").fetchall()
    return {height: AncestorProof.read(Reader(proof, "shown header")) for height, proof in rows}
