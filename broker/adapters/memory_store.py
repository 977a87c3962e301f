"""The in-memory twin of `block_store`: same effects, same lookups, no disk. For simulation and tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from broker.core.effects import (
    AppendLog,
    EndRejoin,
    ForgetEvidence,
    InstallCheckpoint,
    StoreAttack,
    StoreBlock,
    Stored,
    StoredFinal,
    StoreEvidence,
    StoreFinal,
    StoreHandoffs,
    StoreHeaders,
    StoreOldBlock,
    StoreUpdate,
    StoreUpdateBody,
)
from broker.core.pruning import CHECKPOINTS_KEPT, SWEEP_MAX, body_floor, is_checkpoint
from edge_client.protocol.body import decode_block, encode_block
from edge_client.protocol.checkpoint import Checkpoint
from edge_client.protocol.chunks import ObjectKind, Piece, piece_of
from edge_client.protocol.evidence import Evidence
from edge_client.protocol.handoff import Handoff
from edge_client.protocol.header import Header
from edge_client.protocol.messages import UpdateOffer
from edge_client.protocol.mmr_nodes import appended
from edge_client.protocol.state import ChainState
from edge_client.protocol.state_object import encode_state
from edge_client.protocol.votes import Certificate


class MemoryStore:
    """Keeps what the disk keeps, and gives back after a simulated crash exactly what was stored.

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
        self._head: StoreFinal | InstallCheckpoint | None = None
        self._heights: dict[tuple[ObjectKind, bytes], int] = {}
        self._always = {key for key in fixed_objects if key[0] != ObjectKind.UPDATE}
        self._checkpoints: dict[int, ChainState] = {}
        self._lacking: list[int] = []
        self._attacks: list[bytes] = []
        self._evidence: dict[bytes, Evidence] = {}
        self._nodes = [root for kind, root in fixed_objects if kind == ObjectKind.GENESIS]
        self._sign_above = 0

    def executors(self) -> dict[type[Any], Callable[[Any], None]]:
        """Effect type -> function."""
        return {
            StoreUpdate: self.store_update,
            StoreUpdateBody: self.store_update_body,
            AppendLog: self._log.append,
            StoreBlock: self.store_block,
            StoreFinal: self.store_final,
            StoreHeaders: self.store_headers,
            StoreHandoffs: self.store_handoffs,
            InstallCheckpoint: self.install_checkpoint,
            StoreOldBlock: self.store_old_block,
            StoreAttack: lambda effect: self._attacks.append(effect.attack),
            StoreEvidence: self.store_evidence,
            ForgetEvidence: self.forget_evidence,
            EndRejoin: self.end_rejoin,
        }

    def store_evidence(self, effect: StoreEvidence) -> None:
        """See `BlockStore.store_evidence`."""
        self._evidence[effect.pair.key] = effect.pair

    def forget_evidence(self, effect: ForgetEvidence) -> None:
        """See `BlockStore.forget_evidence`."""
        self._evidence.pop(effect.key, None)

    def store_update(self, effect: StoreUpdate) -> None:
        """See `BlockStore.store_update`."""
        root = effect.offer.head.update_root
        self._objects[ObjectKind.UPDATE, root] = effect.body
        self._offers[root] = effect.offer

    def store_update_body(self, effect: StoreUpdateBody) -> None:
        """See `BlockStore.store_update_body`."""
        key = (ObjectKind.UPDATE, effect.root)
        self._objects[key], self._heights[key] = effect.body, self._head_height() + 1

    def store_block(self, effect: StoreBlock) -> None:
        """See `BlockStore.store_block`."""
        key = (ObjectKind.BLOCK, effect.header_hash)
        self._objects[key] = encode_block(effect.header, effect.body)
        self._heights[key] = effect.header.height

    def store_final(self, effect: StoreFinal) -> None:
        """See `BlockStore.store_final`."""
        height, state = effect.header.height, effect.state
        if height <= self._head_height():
            raise RuntimeError(f"height {height} is final already")
        self._put_header(effect.header, effect.header_hash, effect.certificate)
        if effect.model is not None:
            self._objects[ObjectKind.MODEL, state.model_root] = effect.model
            self._heights[ObjectKind.MODEL, state.model_root] = height
        for root, place in effect.inclusions:
            self._inclusions[root] = (height, place)
            self._heights[ObjectKind.UPDATE, root] = height
        if is_checkpoint(height, state.params.in_force):
            self._keep_checkpoint(height, state)
        if effect.handoff is not None:
            self._handoffs[effect.header.epoch] = effect.handoff
        self._settle(effect)

    def store_headers(self, effect: StoreHeaders) -> None:
        """See `BlockStore.store_headers`."""
        for header, header_hash in zip(effect.headers, effect.hashes, strict=True):
            certificate = effect.certificate if header_hash == effect.hashes[-1] else None
            self._put_header(header, header_hash, certificate)

    def store_handoffs(self, effect: StoreHandoffs) -> None:
        """See `BlockStore.store_handoffs`."""
        for handoff in effect.handoffs:
            self._handoffs.setdefault(handoff.epoch, handoff)

    def install_checkpoint(self, effect: InstallCheckpoint) -> None:
        """See `BlockStore.install_checkpoint`."""
        height, state = effect.header.height, effect.state
        self._lacking += range(self._head_height() + 1, height + 1)
        for root, data in effect.models:
            self._objects[ObjectKind.MODEL, root] = data
        for base in state.bases:
            self._heights[ObjectKind.MODEL, base.model_root] = base.height
        self._keep_checkpoint(height, state)
        self._settle(effect)

    def store_old_block(self, effect: StoreOldBlock) -> None:
        """See `BlockStore.store_old_block`."""
        self._objects[ObjectKind.BLOCK, effect.header_hash] = encode_block(effect.header, effect.body)
        for root, place in effect.inclusions:
            self._inclusions.setdefault(root, (effect.header.height, place))
        self._lacking.remove(effect.header.height)

    def _head_height(self) -> int:
        return 0 if self._head is None else self._head.header.height

    def _put_header(self, header: Header, header_hash: bytes, certificate: Certificate | None) -> None:
        height = header.height
        if height not in self._headers:
            self._headers[height] = header
            if self._nodes:
                self._nodes += appended(height, header_hash, self.mmr_node)
        elif self._headers[height] != header:
            raise RuntimeError(f"another block of height {height} is final already")
        if certificate is not None:
            self._certificates[height] = certificate

    def _keep_checkpoint(self, height: int, state: ChainState) -> None:
        self._checkpoints[height] = state
        self._objects[ObjectKind.STATE, state.state_leaves().root()] = encode_state(state)
        for old in sorted(self._checkpoints)[:-CHECKPOINTS_KEPT]:
            del self._objects[ObjectKind.STATE, self._checkpoints.pop(old).state_leaves().root()]

    def _settle(self, effect: StoreFinal | InstallCheckpoint) -> None:
        """What a new head makes useless."""
        state, self._head = effect.state, effect
        self._objects[ObjectKind.PARAMS, state.params.hash()] = state.params.encode()
        self._objects[ObjectKind.SEATS, state.seats.root()] = state.seats.encode()
        if effect.certificate is not None:
            final = (effect.certificate.subject.epoch, effect.certificate.subject.slot)
            self._log[:] = [entry for entry in self._log if (entry.epoch, entry.slot) >= final]
        oldest = state.bases[0].round
        for root, offer in list(self._offers.items()):
            if root in self._inclusions:
                del self._offers[root]
            elif offer.head.round < oldest:
                del self._offers[root]
                self._objects.pop((ObjectKind.UPDATE, root), None)
        self._sweep(effect.header.height, state)

    def _sweep(self, height: int, state: ChainState) -> None:
        """See `Retention.sweep`."""
        floor = body_floor(height, state.params.in_force)
        states = [state, *self._checkpoints.values()]
        needed = {(ObjectKind.MODEL, base.model_root) for one in states for base in one.bases} | self._always
        old = sorted((at, key) for key, at in self._heights.items() if at <= floor)
        for _, key in old[:SWEEP_MAX]:
            if key in needed:
                continue
            if key[0] != ObjectKind.BLOCK or not self._is_final(key[1]):
                self._objects.pop(key, None)
            del self._heights[key]

    def _is_final(self, block_hash: bytes) -> bool:
        data = self._objects[ObjectKind.BLOCK, block_hash]
        header, _ = decode_block(data)
        return self._headers.get(header.height) == header

    def end_rejoin(self, effect: EndRejoin) -> None:
        """See `LogName.end_rejoin`."""
        self._sign_above = effect.sign_above

    def load(self) -> Stored:
        """See `BlockStore.load`."""
        final, head = None, self._head
        if head is not None:
            certificate = self._certificates.get(head.header.height)
            final = StoredFinal(head.header, certificate, head.state, head.peaks)
        log = b"".join(entry.entry for entry in self._log)
        evidence = tuple(self._evidence.values())
        return Stored(final, tuple(self._offers.values()), log, evidence, self._sign_above)

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

    def attacks(self) -> tuple[bytes, ...]:
        """`Archive.attacks`."""
        return tuple(self._attacks)

    def mmr_node(self, position: int) -> bytes | None:
        """`Archive.mmr_node`."""
        return self._nodes[position] if position < len(self._nodes) else None

    def headers_to(self) -> int:
        """`Archive.headers_to`."""
        return max(self._headers, default=0)

    def checkpoint(self) -> Checkpoint | None:
        """`Archive.checkpoint`."""
        height = max(self._checkpoints, default=None)
        return None if height is None else Checkpoint(height, self._checkpoints[height].app_leaves())

    def lacking(self) -> int | None:
        """`Archive.lacking`."""
        return max(self._lacking, default=None)

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

    def inclusions(self) -> Iterable[tuple[bytes, tuple[int, int]]]:
        """Every final update with its height and place, for tests."""
        return self._inclusions.items()

    def inclusion(self, update_root: bytes) -> tuple[int, int] | None:
        """`Archive.inclusion`."""
        return self._inclusions.get(update_root)
