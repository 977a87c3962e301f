"""The in-memory twin of `block_store`: same effects, same lookups, no disk. For simulation and tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from broker.core.effects import (
    AppendLog,
    StoreBlock,
    Stored,
    StoredFinal,
    StoreFinal,
    StoreUpdate,
    StoreUpdateBody,
)
from edge_client.protocol.body import encode_block
from edge_client.protocol.chunks import ObjectKind, Piece, piece_of
from edge_client.protocol.handoff import Handoff
from edge_client.protocol.header import Header
from edge_client.protocol.messages import UpdateOffer
from edge_client.protocol.mmr_nodes import appended
from edge_client.protocol.votes import Certificate


class MemoryStore:
    """Keeps everything, and gives back after a simulated crash exactly what was stored.

    The range of headers starts with the chain id, which is the root of genesis: without genesis among
    `fixed_objects` no nodes are kept.
    """

    def __init__(self, fixed_objects: Mapping[tuple[ObjectKind, bytes], bytes]) -> None:
        self._objects = dict(fixed_objects)
        self._headers: dict[int, Header] = {}
        self._certificates: dict[int, Certificate] = {}
        self._handoffs: dict[int, Handoff] = {}
        self._inclusions: dict[bytes, tuple[int, int]] = {}
        self._offers: dict[bytes, UpdateOffer] = {}
        self._log: list[AppendLog] = []
        self._head: StoreFinal | None = None
        self._nodes = [root for kind, root in fixed_objects if kind == ObjectKind.GENESIS]

    def executors(self) -> dict[type[Any], Callable[[Any], None]]:
        """Effect type -> function."""
        return {
            StoreUpdate: self.store_update,
            StoreUpdateBody: self.store_update_body,
            AppendLog: self._log.append,
            StoreBlock: self.store_block,
            StoreFinal: self.store_final,
        }

    def store_update(self, effect: StoreUpdate) -> None:
        """See `BlockStore.store_update`."""
        root = effect.offer.head.update_root
        self._objects[ObjectKind.UPDATE, root] = effect.body
        self._offers[root] = effect.offer

    def store_update_body(self, effect: StoreUpdateBody) -> None:
        """See `BlockStore.store_update_body`."""
        self._objects[ObjectKind.UPDATE, effect.root] = effect.body

    def store_block(self, effect: StoreBlock) -> None:
        """See `BlockStore.store_block`."""
        self._objects[ObjectKind.BLOCK, effect.header_hash] = encode_block(effect.header, effect.body)

    def store_final(self, effect: StoreFinal) -> None:
        """See `BlockStore.store_final`."""
        height, state = effect.header.height, effect.state
        if height in self._headers:
            raise RuntimeError(f"height {height} is final already")
        self._headers[height] = effect.header
        if self._nodes:
            self._nodes += appended(height, effect.header_hash, self.mmr_node)
        self._head = effect
        if effect.model is not None:
            self._objects[ObjectKind.MODEL, state.model_root] = effect.model
        self._objects[ObjectKind.PARAMS, state.params.hash()] = state.params.encode()
        for root, place in effect.inclusions:
            self._inclusions[root] = (height, place)
        if effect.handoff is not None:
            self._handoffs[effect.header.epoch] = effect.handoff
        if effect.certificate is not None:
            self._certificates[height] = effect.certificate
            slot = effect.certificate.subject.slot
            self._log[:] = [entry for entry in self._log if entry.slot >= slot]
        oldest = state.bases[0].round
        self._offers = {
            root: offer
            for root, offer in self._offers.items()
            if root not in self._inclusions and offer.head.round >= oldest
        }

    def load(self) -> Stored:
        """See `BlockStore.load`."""
        final, head = None, self._head
        if head is not None:
            certificate = self._certificates.get(head.header.height)
            final = StoredFinal(head.header, certificate, head.state, head.peaks)
        return Stored(final, tuple(self._offers.values()), b"".join(entry.entry for entry in self._log))

    def update(self, root: bytes) -> bytes | None:
        """`Archive.update`."""
        return self._objects.get((ObjectKind.UPDATE, root))

    def has_update(self, root: bytes) -> bool:
        """`Archive.has_update`."""
        return (ObjectKind.UPDATE, root) in self._objects

    def model(self, root: bytes) -> bytes | None:
        """`Archive.model`."""
        return self._objects.get((ObjectKind.MODEL, root))

    def block(self, header_hash: bytes) -> bytes | None:
        """`Archive.block`."""
        return self._objects.get((ObjectKind.BLOCK, header_hash))

    def piece(self, kind: ObjectKind, root: bytes, index: int) -> Piece | None:
        """`Archive.piece`."""
        data = self._objects.get((kind, root))
        return None if data is None else piece_of(data, index)

    def header(self, height: int) -> Header | None:
        """`Archive.header`."""
        return self._headers.get(height)

    def mmr_node(self, position: int) -> bytes | None:
        """`Archive.mmr_node`."""
        return self._nodes[position] if position < len(self._nodes) else None

    def certificate_from(self, height: int) -> Certificate | None:
        """`Archive.certificate_from`."""
        if not self._headers:
            return None
        heights = range(height, max(self._headers) + 1)
        return next((self._certificates[h] for h in heights if h in self._certificates), None)

    def handoff(self, epoch: int) -> Handoff | None:
        """`Archive.handoff`."""
        return self._handoffs.get(epoch)

    def certificate_to(self, height: int) -> Certificate | None:
        """`Archive.certificate_to`."""
        held = max((at for at in self._certificates if at <= height), default=None)
        return None if held is None else self._certificates[held]

    def inclusion(self, update_root: bytes) -> tuple[int, int] | None:
        """`Archive.inclusion`."""
        return self._inclusions.get(update_root)
