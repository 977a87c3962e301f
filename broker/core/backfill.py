"""After a checkpoint: the blocks it passed over, one at a time, newest first, so that old updates are proven
here, too [PRN-3]."""

from __future__ import annotations

from broker.core.archive import Archive
from broker.core.effects import StoreOldBlock
from broker.core.ledger import included_updates
from edge_client.protocol.body import Body
from edge_client.protocol.header import Header

PACE_MS = 100
"""Between one block and the question for the next: nobody is in a hurry, and peers have rounds to close."""


class Backfill:
    """Which old block is wanted now; none while everything is here."""

    def __init__(self, archive: Archive, chain_id: bytes) -> None:
        self._archive = archive
        self._chain_id = chain_id
        self._wanted: bytes | None = None
        self._next_ms: int | None = None if archive.lacking() is None else 0
        self._now_ms = 0

    def resume(self) -> None:
        """There may be more to fetch: a checkpoint is being installed."""
        self._next_ms = self._now_ms + PACE_MS

    def wanted(self, now_ms: int) -> bytes | None:
        """Hash of the block to ask for."""
        self._now_ms = now_ms
        if self._wanted is None and self._next_ms is not None and now_ms >= self._next_ms:
            height = self._archive.lacking()
            header = None if height is None else self._archive.header(height)
            self._wanted = None if header is None else header.hash(self._chain_id)
            self._next_ms = None
        return self._wanted

    def take(self, block_hash: bytes, header: Header, body: Body) -> StoreOldBlock | None:
        """A block has come; what to write of it when it is the one wanted."""
        if block_hash != self._wanted:
            return None
        self._wanted, self._next_ms = None, self._now_ms + PACE_MS
        return StoreOldBlock(header, block_hash, body, included_updates(body))

    def deadline(self) -> int | None:
        """When the next block may be asked for."""
        return self._next_ms
