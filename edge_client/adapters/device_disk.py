"""Everything the agent keeps, behind one door: the database, the objects, and what both hold together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from edge_client.adapters.chain_store import ChainStore
from edge_client.adapters.checkpoint_store import CheckpointStore
from edge_client.adapters.device_database import open_device_database
from edge_client.adapters.model_store import ModelStore
from edge_client.adapters.outbox_store import OutboxStore
from edge_client.core.conditions.prediction import Spent
from edge_client.core.events import (
    DropObject,
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
from edge_client.protocol.chunks import CHUNK_BYTES, OBJECT_BYTES_MAX
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.machine import Publish
from edge_client.protocol.topics import CHAIN_CHARS
from edge_client.runtime.database import Database, DatabaseError, transaction
from edge_client.runtime.objects import ObjectStore

OBJECTS_FOLDER = "objects"


class DeviceDisk:
    """The state folder of one device on one chain; used from one thread."""

    def __init__(self, folder: Path, chain_id: bytes) -> None:
        """Open or create; raises `DatabaseError`, also when another chain's device lives there."""
        self._chain_id = chain_id
        self._database = open_device_database(folder)
        self.objects = ObjectStore(folder / OBJECTS_FOLDER, OBJECT_BYTES_MAX)
        self.chain = ChainStore(self._database, chain_id)
        self._require_own_chain(folder)
        self.outbox = OutboxStore(self._database, self.objects)
        self.models = ModelStore(self._database, self.objects)
        self.checkpoint = CheckpointStore(self._database, self.objects)

    def _require_own_chain(self, folder: Path) -> None:
        if (lived_on := self.chain.claim()) != self._chain_id:
            self.close()
            there, named = (one.hex()[:CHAIN_CHARS] for one in (lived_on, self._chain_id))
            raise DatabaseError(
                f"{folder} is a device of chain {there}, but its join string names {named}; "
                "put the old join string back, or make a device for this chain: edge-client init"
            )

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def executors(self) -> dict[type[Any], Callable[[Any], None]]:
        """How each Save* effect is executed; all of them are on disk when they return."""
        return {
            SaveObject: self._save_object,
            DropObject: self._drop_object,
            SaveChain: self.chain.save_chain,
            SaveHandoffs: self.chain.save_handoffs,
            SaveParams: self.chain.save_params,
            SaveAccount: self.chain.save_account,
            SaveConflict: self.chain.save_conflict,
            SaveMeasure: self.models.save,
            SaveGivenUp: self.outbox.give_up,
            SaveCheckpoint: self.checkpoint.save,
            SaveUpdate: self.outbox.save_update,
            SettleUpdate: self.outbox.settle,
        }

    def _save_object(self, effect: SaveObject) -> None:
        self.objects.put(effect.root, effect.data)

    def _drop_object(self, effect: DropObject) -> None:
        if effect.root not in self._referenced():
            self.objects.delete(effect.root)

    def genesis(self) -> Genesis | None:
        """Genesis, once it was fetched."""
        data = self.objects.get(self._chain_id)
        return None if data is None else Genesis.decode(data)

    def stored(self) -> Stored:
        """What a starting agent needs; sweeps objects away that a crash left behind."""
        pending, head = self.outbox.pending(), self.chain.head()
        self._sweep()
        base = head.learning.opened_height if head is not None else 0
        account, signing, interrupted = self.chain.account(), self.chain.signing(), self.checkpoint.get()
        bases = [base, *(one.head.base_height for one in pending)]
        bases += [] if interrupted is None else [interrupted.order.base_height]
        return Stored(
            genesis=self.objects.get(self._chain_id),
            tip=self.chain.tip(),
            head=head,
            signing=signing,
            handoffs=self.chain.handoffs(0 if signing is None else signing.epoch),
            params=self.chain.params(),
            account=None if account is None else account[1],
            updates=pending,
            last_round=self.outbox.last_round(),
            body_roots=self.chain.body_roots(min(bases)),
            objects=frozenset(self.objects.roots()),
            interrupted=interrupted,
            conflict=self.chain.conflict(),
        )

    def costs(self, count: int) -> tuple[Spent, ...]:
        """What the last rounds did cost, oldest first."""
        return tuple(self.outbox.costs(count).values())

    def own_heights(self) -> set[int]:
        """Blocks whose headers show something of our own: updates, the account, models, and
        what the owner's word showed."""
        account, vouched = self.chain.account(), {one.header.height for one in self.chain.vouched()}
        heights = self.outbox.included_heights() | {one.height for one in self.models.all()} | vouched
        return heights if account is None else heights | {account[0]}

    def transaction(self) -> AbstractContextManager[Database]:
        """All writes inside, or none."""
        return transaction(self._database)

    def _referenced(self) -> set[bytes]:
        """Roots of update bodies and residues that still count, of models worth keeping, and of what
        interrupted work goes on with."""
        interrupted = self.checkpoint.get()
        work = set() if interrupted is None else {interrupted.root, interrupted.order.model_root}
        pending = {one.head.update_root for one in self.outbox.pending()}
        residual = {part.root for part in self.outbox.residual()}
        return work | pending | residual | {one.root for one in self.models.all()}

    def _sweep(self) -> None:
        self.objects.remove_leftovers()
        genesis, head = self.genesis(), self.chain.head()
        keep = self._referenced() | {self._chain_id}
        if genesis is not None:
            keep |= {genesis.graph_root, head.app.model_root if head else genesis.model_root}
        for root in set(self.objects.roots()) - keep:
            self.objects.delete(root)

    def chunk(self, effect: PublishChunk) -> Publish:
        """The message that carries one piece of a stored object; only that piece is read."""
        with self.objects.path(effect.root).open("rb") as file:
            file.seek(effect.index * CHUNK_BYTES)
            return Publish(effect.topic, file.read(CHUNK_BYTES), token=effect.token)
