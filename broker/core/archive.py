"""What a validator can look up of its own past: read-only, content-addressed or by height.

Everything here was put there by an effect of the same machine, so a lookup is as deterministic as memory;
large things simply do not have to stay in it. The SQLite twin is `broker.adapters.block_store`.
"""

from __future__ import annotations

from typing import Protocol

from edge_client.protocol.checkpoint import Checkpoint
from edge_client.protocol.chunks import ObjectKind, Piece
from edge_client.protocol.handoff import Handoff
from edge_client.protocol.header import Header
from edge_client.protocol.votes import Certificate


class Archive(Protocol):
    """Lookups; those of one thing answer None for what is not there."""

    def update(self, root: bytes) -> bytes | None:
        """Body of a client update."""
        ...

    def has_update(self, root: bytes) -> bool:
        """Whether `update` would find it; much cheaper."""
        ...

    def model(self, root: bytes) -> bytes | None:
        """Bytes of a model."""
        ...

    def piece(self, kind: ObjectKind, root: bytes, index: int) -> Piece | None:
        """One piece of any object that can be fetched; None also for an index beyond its end. It costs the
        same however large the object is: devices ask as often as they like."""
        ...

    def header(self, height: int) -> Header | None:
        """Finalised header; while a checkpoint is fetched also of heights above the head."""
        ...

    def headers_to(self) -> int:
        """The highest height with a header, 0 without any."""
        ...

    def checkpoint(self) -> Checkpoint | None:
        """The newest state that is kept as an object."""
        ...

    def lacking(self) -> int | None:
        """The highest height whose block a checkpoint passed over and nobody sent yet."""
        ...

    def mmr_node(self, position: int) -> bytes | None:
        """Node of the range over all final header hashes (`edge_client.protocol.mmr_nodes`)."""
        ...

    def attacks(self) -> tuple[bytes, ...]:
        """Kept evidence of two final histories, oldest first."""
        ...

    def block(self, header_hash: bytes) -> bytes | None:
        """Header and body (`blocks.encode_block`) of a stored block, finalised or candidate."""
        ...

    def certificate_from(self, height: int) -> Certificate | None:
        """Finality certificate of the lowest certified height that is not below `height`."""
        ...

    def handoff(self, epoch: int) -> Handoff | None:
        """How this epoch ended."""
        ...

    def certificate_to(self, height: int) -> Certificate | None:
        """Finality certificate of the highest certified height that is not above `height`."""
        ...

    def inclusion(self, update_root: bytes) -> tuple[int, int] | None:
        """(height, record index) of a finalised update."""
        ...
