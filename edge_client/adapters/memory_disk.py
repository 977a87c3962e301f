"""The in-memory twin of `device_disk`: same effects, same lookups, no disk. For simulation and tests."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from edge_client.adapters.outbox_store import HISTORY_MAX, PartKind, ResidualPart
from edge_client.core.anchors import BODY_ROOTS_MAX
from edge_client.core.conditions.prediction import Spent
from edge_client.core.events import (
    DropObject,
    Fate,
    Interrupted,
    PendingUpdate,
    PublishChunk,
    SaveAccount,
    SaveChain,
    SaveCheckpoint,
    SaveConflict,
    SaveGivenUp,
    SaveHandoffs,
    SaveMeasure,
    SaveObject,
    SaveParams,
    SaveUpdate,
    SettleUpdate,
)
from edge_client.core.stored import Stored
from edge_client.protocol.chunks import ObjectKind, split
from edge_client.protocol.handoff import Handoff
from edge_client.protocol.header import Header
from edge_client.protocol.machine import Publish


class MemoryObjects:
    """Objects by root, as `ObjectStore` keeps them.

    A thousand devices of one process fetch the same graph and the same models: with a common `pool` they hold
    one copy of the bytes.
    """

    def __init__(self, pool: MutableMapping[bytes, bytes] | None = None) -> None:
        self._objects: dict[bytes, bytes] = {}
        self._pool = pool

    def put(self, root: bytes, data: bytes) -> None:
        """Keep an object of this device's own."""
        self._objects[root] = data

    def share(self, root: bytes, data: bytes) -> None:
        """Keep an object that all devices of the chain fetch."""
        self._objects[root] = data if self._pool is None else self._pool.setdefault(root, data)

    def get(self, root: bytes) -> bytes | None:
        """See `ObjectStore.get`."""
        return self._objects.get(root)

    def delete(self, root: bytes) -> None:
        """See `ObjectStore.delete`."""
        self._objects.pop(root, None)

    def roots(self) -> list[bytes]:
        """See `ObjectStore.roots`."""
        return sorted(self._objects)


class MemoryDisk:
    """Keeps what the disk keeps, and gives back after a simulated crash exactly what was saved.

    Headers are kept as far back as an update may need them, not all of them; models are not kept for the
    owner's sake.
    """

    def __init__(self, pool: MutableMapping[bytes, bytes] | None = None) -> None:
        self.objects = MemoryObjects(pool)
        self.residual: list[ResidualPart] = []
        self.updates: dict[bytes, PendingUpdate] = {}
        self.fates: dict[bytes, SettleUpdate] = {}
        self.account: SaveAccount | None = None
        self.interrupted: Interrupted | None = None
        self.measured: SaveMeasure | None = None
        self.given_up: dict[int, str] = {}
        """Why rounds were left out."""
        self._genesis: bytes | None = None
        self._chain: SaveChain | None = None
        self._head: SaveChain | None = None
        self._linked: dict[int, bytes] = {}
        self._handoffs: tuple[Handoff, ...] = ()
        self._params: SaveParams | None = None
        self._conflict: str | None = None
        self._last_round = 0
        self._costs: list[Spent] = []

    def executors(self) -> dict[type[Any], Callable[[Any], None]]:
        """Effect type -> function."""
        return {
            SaveObject: self._save_object,
            DropObject: self._drop_object,
            SaveChain: self._save_chain,
            SaveHandoffs: self._save_handoffs,
            SaveParams: self._save_params,
            SaveAccount: self._save_account,
            SaveConflict: self._save_conflict,
            SaveMeasure: self._save_measure,
            SaveGivenUp: self._give_up,
            SaveCheckpoint: self._save_checkpoint,
            SaveUpdate: self._save_update,
            SettleUpdate: self._settle,
        }

    def stored(self) -> Stored:
        """What a starting agent needs."""
        pending = tuple(one for root, one in self.updates.items() if root not in self.fates)
        signing = self._chain.signing if self._chain else None
        first = 0 if signing is None else signing.epoch
        return Stored(
            genesis=self._genesis,
            tip=self._chain.tip if self._chain else None,
            head=self._head.head if self._head else None,
            signing=signing,
            handoffs=tuple(one for one in self._handoffs if one.epoch >= first),
            params=self._params.params if self._params else None,
            account=self.account.proof if self.account else None,
            updates=pending,
            last_round=self._last_round,
            body_roots=self._body_roots(pending),
            objects=frozenset(self.objects.roots()),
            conflict=self._conflict,
            interrupted=self.interrupted,
        )

    def _body_roots(self, pending: tuple[PendingUpdate, ...]) -> dict[int, bytes]:
        head = self._head.head if self._head else None
        bases = [
            0 if head is None else head.learning.opened_height,
            *(one.head.base_height for one in pending),
        ]
        bases += [] if self.interrupted is None else [self.interrupted.order.base_height]
        wanted = (height for height in sorted(self._linked) if height > min(bases))
        return {at: Header.decode_linked(self._linked[at], bytes(32)).body_root for at in wanted}

    def costs(self, count: int) -> tuple[Spent, ...]:
        """See `DeviceDisk.costs`."""
        return tuple(self._costs[-count:])

    def chunk(self, effect: PublishChunk) -> Publish:
        """See `DeviceDisk.chunk`."""
        data = self.objects.get(effect.root)
        if data is None:
            raise RuntimeError("a chunk of an object that is not stored")
        return Publish(effect.topic, split(data)[effect.index], token=effect.token)

    # --- effects ------------------------------------------------------------------------------------------

    def _save_object(self, effect: SaveObject) -> None:
        self.objects.share(effect.root, effect.data)
        if effect.kind == ObjectKind.GENESIS:
            self._genesis = self.objects.get(effect.root)

    def _drop_object(self, effect: DropObject) -> None:
        parts = {part.root for part in self.residual}
        pending = self.updates.keys() - self.fates.keys()
        if effect.root not in parts and effect.root not in pending:
            self.objects.delete(effect.root)

    def _save_chain(self, effect: SaveChain) -> None:
        self._chain, self._head = effect, effect if effect.head else self._head
        first = effect.tip.height - len(effect.linked) + 1
        self._linked.update(enumerate(effect.linked, start=first))
        for height in range(min(self._linked), effect.tip.height - BODY_ROOTS_MAX + 1):
            self._linked.pop(height, None)

    def _save_handoffs(self, effect: SaveHandoffs) -> None:
        self._handoffs += effect.handoffs

    def _save_params(self, effect: SaveParams) -> None:
        self._params = effect

    def _save_account(self, effect: SaveAccount) -> None:
        self.account = effect

    def _save_conflict(self, effect: SaveConflict) -> None:
        self._conflict = effect.why

    def _save_measure(self, effect: SaveMeasure) -> None:
        self.measured = effect

    def _save_checkpoint(self, effect: SaveCheckpoint) -> None:
        before, self.interrupted = self.interrupted, effect.interrupted
        if before is not None and (effect.interrupted is None or effect.interrupted.root != before.root):
            self.objects.delete(before.root)

    def _give_up(self, effect: SaveGivenUp) -> None:
        self.given_up[effect.round] = effect.why
        if effect.spent is not None:
            self._costs.append(effect.spent)

    def _save_update(self, effect: SaveUpdate) -> None:
        head = effect.update.head
        self.updates[head.update_root] = effect.update
        self._last_round = max(self._last_round, head.round)
        self.residual = [part for part in self.residual if part.root not in effect.consumed]
        self.residual.append(ResidualPart(effect.residue_root, PartKind.RESIDUE, head.round))
        if effect.spent is not None:
            self._costs.append(effect.spent)
        for root in set(effect.consumed) - {effect.residue_root}:
            self.objects.delete(root)

    def _settle(self, effect: SettleUpdate) -> None:
        root = effect.update_root
        if root in self.fates:
            raise RuntimeError("an update was settled twice")
        self.fates[root] = effect
        if effect.fate == Fate.INCLUDED:
            self.objects.delete(root)
        else:
            self.residual.append(ResidualPart(root, PartKind.UPDATE, effect.round))
        for old in list(self.fates)[:-HISTORY_MAX]:
            del self.fates[old], self.updates[old]
