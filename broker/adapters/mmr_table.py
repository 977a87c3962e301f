"""The nodes of the range over all header hashes in SQLite: written once, addressed by position."""

from __future__ import annotations

from sqlite_utils import Database as Schema

from edge_client.protocol.mmr_nodes import appended, leaf_count, node_count
from edge_client.runtime.database import Database


def create_mmr(database: Schema) -> None:
    """Schema of the table; a store from before it is filled by `MmrTable.complete`."""
    database["mmr"].create({"position": int, "hash": bytes}, pk="position")


class MmrTable:
    """Append-only; leaf 0 is the chain id, leaf h the hash of the header of height h."""

    def __init__(self, database: Database, chain_id: bytes) -> None:
        self._connection = database.conn
        self._chain_id = chain_id

    def append(self, height: int, header_hash: bytes) -> None:
        """Add the leaf of a height, inside the caller's transaction."""
        rows = enumerate(appended(height, header_hash, self.node), start=node_count(height))
        self._connection.executemany("insert into mmr (position, hash) values (?, ?)", rows)

    def complete(self) -> None:
        """Add the leaves of all stored headers that are not in the range yet, inside the caller's
        transaction."""
        (nodes,) = self._connection.execute("select max(position) + 1 from mmr").fetchone()
        leaves = leaf_count(nodes or 0)
        if not leaves:
            self.append(0, self._chain_id)
        query = "select height, hash from headers where height >= ? order by height"
        for height, header_hash in self._connection.execute(query, [leaves]):
            self.append(height, header_hash)

    def node(self, position: int) -> bytes | None:
        """The node at a position."""
        row = self._connection.execute("select hash from mmr where position = ?", [position]).fetchone()
        return None if row is None else bytes(row[0])
