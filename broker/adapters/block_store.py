"""A validator's disk: headers, state and log in SQLite; blocks, updates, models as files named by their root.

Heads and bodies are apart, so pruning is a delete of files (`retention`). Every `store_*` is durable when it
returns; what `store_together` calls is so when that returns.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from broker.adapters.log_name import LogName
from broker.adapters.mmr_table import MmrTable
from broker.adapters.retention import Retention
from broker.adapters.together import Together
from broker.adapters.validator_database import DATABASE_FILE, MIGRATIONS
from broker.core.effects import (
    AppendLog,
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
from broker.core.pruning import is_checkpoint
from edge_client.protocol.accounts import Account, Accounts
from edge_client.protocol.body import BODY_BYTES_MAX, encode_block
from edge_client.protocol.checkpoint import Checkpoint
from edge_client.protocol.chunks import CHUNK_BYTES, ObjectKind, Piece, chunk_count, piece_of
from edge_client.protocol.encoding import Reader
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.handoff import Handoff
from edge_client.protocol.header import Header
from edge_client.protocol.messages import UpdateOffer
from edge_client.protocol.mmr import Peaks
from edge_client.protocol.model import PARAMETERS_MAX
from edge_client.protocol.params import ParamsPair
from edge_client.protocol.records import decode_evidence, encode_record
from edge_client.protocol.seats import Seats
from edge_client.protocol.state import Base, ChainState, Learning
from edge_client.protocol.state_object import encode_state
from edge_client.protocol.votes import Certificate
from edge_client.runtime.database import open_database, transaction
from edge_client.runtime.objects import ObjectStore

OBJECT_BYTES_MAX = max(4 * PARAMETERS_MAX, BODY_BYTES_MAX) + 1024
_HEAD, _PARAMS, _LEARNING, _BASES, _PEAKS, _SEATS = "head", "params", "learning", "bases", "peaks", "seats"


class BlockStore:
    """The archive of one validator and the executor of its Persist effects."""

    def __init__(self, folder: Path, genesis: Genesis, fixed_objects: Mapping[bytes, bytes]) -> None:
        """`fixed_objects`: what never changes and is served to whoever asks, by root (genesis, graph)."""
        self._db = open_database(folder / DATABASE_FILE, MIGRATIONS)
        self.log_name = LogName(self._db)
        self._mmr = MmrTable(self._db, genesis.chain_id())
        self._blocks = ObjectStore(folder / "blocks", OBJECT_BYTES_MAX)
        self._updates = ObjectStore(folder / "updates", OBJECT_BYTES_MAX)
        self._models = ObjectStore(folder / "models", OBJECT_BYTES_MAX)
        self._states = ObjectStore(folder / "states", OBJECT_BYTES_MAX)
        self._folders = {
            ObjectKind.BLOCK: self._blocks,
            ObjectKind.UPDATE: self._updates,
            ObjectKind.MODEL: self._models,
            ObjectKind.STATE: self._states,
        }
        self.retention = Retention(self._db, self._folders, [genesis.model_root])
        self._fixed = dict(fixed_objects)
        self._final: tuple[int, ChainState] | None = None
        self._small: dict[bytes, bytes] = {}
        self._expired: list[bytes] = []
        genesis_seats = Seats.of_genesis(genesis.validators)
        self._remember(ParamsPair(genesis.params, genesis.params), genesis_seats)
        with self._transaction():
            self._mmr.complete()

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def remove_leftovers(self) -> None:
        """Remove what a crash left half written; for the validator itself only, not for who looks at it."""
        for objects in self._folders.values():
            objects.remove_leftovers()
        self.retention.remove_leftovers()

    def executors(self) -> dict[type[Any], Callable[[Any], None]]:
        """Effect type -> function, for the event loop."""
        return {
            StoreUpdate: self.store_update,
            StoreUpdateBody: self.store_update_body,
            AppendLog: self.append_log,
            StoreBlock: self.store_block,
            StoreFinal: self.store_final,
            StoreHeaders: self.store_headers,
            StoreHandoffs: self.store_handoffs,
            InstallCheckpoint: self.install_checkpoint,
            StoreOldBlock: self.store_old_block,
            StoreAttack: self.store_attack,
            StoreEvidence: self.store_evidence,
            ForgetEvidence: self.forget_evidence,
            Together: self.store_together,
        }

    # --- writing ------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One synced commit for everything inside, also for transactions inside."""
        if self._db.conn.in_transaction:
            yield
            return
        with transaction(self._db):
            yield
        # Bodies go when their rows are gone for good: a crash between must not part the two.
        for root in self._expired:
            self._updates.delete(root)
        self._expired.clear()
        if self._final is not None:
            self.retention.sweep(*self._final)
            self._final = None

    def store_together(self, group: Together) -> None:
        """Several effects with one commit; files they write are synced before it."""
        execute = self.executors()
        with self._transaction():
            for effect in group.effects:
                execute[type(effect)](effect)

    def store_model(self, root: bytes, data: bytes) -> None:
        """Keep a model (the initial one; later ones come with `store_final`)."""
        self._models.put(root, data)

    def store_update(self, effect: StoreUpdate) -> None:
        """Body first, then the offer that points to it."""
        root = effect.offer.head.update_root
        self._updates.put(root, effect.body)
        with self._transaction():
            self._write(
                "insert or replace into offers (update_root, offer) values (?, ?)",
                root,
                effect.offer.encode(),
            )

    def store_update_body(self, effect: StoreUpdateBody) -> None:
        """A body whose head is in a block; it goes like one of the next block until that one is final."""
        self._updates.put(effect.root, effect.body)
        with self._transaction():
            self.retention.note(ObjectKind.UPDATE, [effect.root], self._head_height() + 1)

    def store_block(self, effect: StoreBlock) -> None:
        """A checked candidate, named by its hash; consensus asks for it by that name after a restart."""
        self._blocks.put(effect.header_hash, encode_block(effect.header, effect.body))
        with self._transaction():
            self.retention.note(ObjectKind.BLOCK, [effect.header_hash], effect.header.height)

    def store_final(self, effect: StoreFinal) -> None:
        """The block is final: header, certificate, state and indices in one transaction."""
        height, state = effect.header.height, effect.state
        if height <= self._head_height():
            raise RuntimeError(f"height {height} is final already")
        if effect.model is not None:
            self._models.put(state.model_root, effect.model)
        if is_checkpoint(height, state.params.in_force):
            self._states.put(state.state_leaves().root(), encode_state(state))
        with self._transaction():
            self._write_header(effect.header, effect.header_hash, effect.certificate)
            self._write_accounts(effect.accounts)
            self._write_inclusions(height, effect.inclusions)
            self._write_state(effect.header, state, effect.peaks)
            self._drop_log(effect.certificate)
            if effect.handoff is not None:
                self._write_handoff(effect.header.epoch, effect.handoff)
            if effect.model is not None:
                self.retention.note(ObjectKind.MODEL, [state.model_root], height)
            self.retention.note_final(height, state, [root for root, _ in effect.inclusions])

    def store_headers(self, effect: StoreHeaders) -> None:
        """Verified headers run ahead of the state."""
        last = effect.hashes[-1]
        with self._transaction():
            for header, header_hash in zip(effect.headers, effect.hashes, strict=True):
                certificate = effect.certificate if header_hash == last else None
                self._write_header(header, header_hash, certificate)

    def store_handoffs(self, effect: StoreHandoffs) -> None:
        """What devices may ask of the epochs that a checkpoint passes over."""
        with self._transaction():
            for handoff in effect.handoffs:
                self._write_handoff(handoff.epoch, handoff)

    def install_checkpoint(self, effect: InstallCheckpoint) -> None:
        """Files first; then the state takes the place of the one that was here, or nothing changes."""
        height, state = effect.header.height, effect.state
        for root, data in effect.models:
            self._models.put(root, data)
        self._states.put(state.state_leaves().root(), encode_state(state))
        with self._transaction():
            self.retention.note_lacking(self._head_height() + 1, height)
            self._write("delete from accounts")
            self._write_accounts(enumerate(state.accounts))
            self._write_state(effect.header, state, effect.peaks)
            self._drop_log(effect.certificate)
            for base in state.bases:
                self.retention.note(ObjectKind.MODEL, [base.model_root], base.height)
            self.retention.note_checkpoint(height, state)
            self.retention.note_final(height, state, ())

    def store_old_block(self, effect: StoreOldBlock) -> None:
        """A block from below a checkpoint: what devices claim in it is found from now on."""
        self._blocks.put(effect.header_hash, encode_block(effect.header, effect.body))
        with self._transaction():
            self._write_inclusions(effect.header.height, effect.inclusions)
            self.retention.note_found(effect.header.height)

    def _head_height(self) -> int:
        row = self._db.conn.execute("select value from meta where key = ?", [_HEAD]).fetchone()
        return 0 if row is None else Header.decode(row[0]).height

    def _write_header(self, header: Header, header_hash: bytes, certificate: Certificate | None) -> None:
        """A header may be here already, from before its state was; only its certificate may be news."""
        encoded = certificate.encode() if certificate else None
        query = "select hash from headers where height = ?"
        row = self._db.conn.execute(query, [header.height]).fetchone()
        if row is None:
            self._write(
                "insert into headers (height, hash, header, certificate) values (?, ?, ?, ?)",
                header.height,
                header_hash,
                header.encode(),
                encoded,
            )
            self._mmr.append(header.height, header_hash)
        elif row[0] != header_hash:
            raise RuntimeError(f"another block of height {header.height} is final already")
        elif encoded is not None:
            self._write("update headers set certificate = ? where height = ?", encoded, header.height)

    def _write_accounts(self, accounts: Iterable[tuple[int, Account]]) -> None:
        self._db.conn.executemany(
            "insert or replace into accounts (id, account) values (?, ?)",
            [(index, account.encode()) for index, account in accounts],
        )

    def _write_inclusions(self, height: int, inclusions: Iterable[tuple[bytes, int]]) -> None:
        self._db.conn.executemany(
            "insert or ignore into inclusions (update_root, height, place) values (?, ?, ?)",
            [(root, height, place) for root, place in inclusions],
        )

    def _write_handoff(self, epoch: int, handoff: Handoff) -> None:
        self._write("insert or ignore into handoffs (epoch, handoff) values (?, ?)", epoch, handoff.encode())

    def _write_state(self, header: Header, state: ChainState, peaks: Peaks) -> None:
        """Everything of the new head but its accounts; offers that it made useless go."""
        for key, value in (
            (_HEAD, header.encode()),
            (_PARAMS, state.params.encode()),
            (_LEARNING, state.learning.encode()),
            (_BASES, b"".join(base.encode() for base in state.bases)),
            (_PEAKS, peaks.encode()),
            (_SEATS, state.seats.encode()),
        ):
            self._write("insert or replace into meta (key, value) values (?, ?)", key, value)
        self._drop_offers(state.bases[0].round)
        self._remember(state.params, state.seats)
        self._final = (header.height, state)

    def _drop_log(self, certificate: Certificate | None) -> None:
        """Entries of the log that a final block makes useless."""
        if certificate is not None:
            place = (certificate.subject.epoch, certificate.subject.slot)
            self._write("delete from consensus_log where (epoch, slot) < (?, ?)", *place)

    def _drop_offers(self, oldest_round: int) -> None:
        """Offers that are on the chain or too old need no second look after a restart."""
        self._write("delete from offers where update_root in (select update_root from inclusions)")
        rows = self._db.conn.execute("select update_root, offer from offers").fetchall()
        expired = [root for root, offer in rows if UpdateOffer.decode(offer).head.round < oldest_round]
        self._db.conn.executemany("delete from offers where update_root = ?", [(root,) for root in expired])
        self._expired += expired

    def store_evidence(self, effect: StoreEvidence) -> None:
        """A pair that waits for a block."""
        with self._transaction():
            self._write(
                "insert or replace into evidence (key, record) values (?, ?)",
                effect.pair.key,
                encode_record(effect.pair),
            )

    def forget_evidence(self, effect: ForgetEvidence) -> None:
        """Its key is convicted, or has left for good."""
        with self._transaction():
            self._write("delete from evidence where key = ?", effect.key)

    def store_attack(self, effect: StoreAttack) -> None:
        """A verified report of a device."""
        with self._transaction():
            self._write("insert into attacks (attack) values (?)", effect.attack)

    def append_log(self, effect: AppendLog) -> None:
        """One consensus log entry."""
        with self._transaction():
            values = (effect.epoch, effect.slot, effect.entry)
            self._write("insert into consensus_log (epoch, slot, entry) values (?, ?, ?)", *values)

    def _write(self, statement: str, *values: bytes | int | str | None) -> None:
        """One statement."""
        self._db.conn.execute(statement, values)

    # --- reading ------------------------------------------------------------------------------------------

    def load(self) -> Stored:
        """Everything a validator starts from."""
        offers = tuple(
            UpdateOffer.decode(row[0]) for row in self._db.conn.execute("select offer from offers")
        )
        pairs = self._db.conn.execute("select record from evidence order by key")
        evidence = tuple(decode_evidence(bytes(row[0])) for row in pairs)
        return Stored(self._load_final(), offers, self.log_name.entries(), evidence, self.log_name.above())

    def _load_final(self) -> StoredFinal | None:
        meta: dict[str, bytes] = dict(self._db.conn.execute("select key, value from meta").fetchall())
        if _HEAD not in meta:
            return None
        header = Header.decode(meta[_HEAD])
        rows = self._db.conn.execute("select account from accounts order by id")
        accounts = [Account.decode(row[0]) for row in rows]
        params = ParamsPair.decode(meta[_PARAMS])
        seats = Seats.decode(meta[_SEATS])
        self._remember(params, seats)
        state = ChainState(
            Accounts.of(accounts),
            params,
            Learning.decode(meta[_LEARNING]),
            _decode_bases(meta[_BASES]),
            seats,
        )
        certificate = self._certificate("height = ?", header.height)
        return StoredFinal(header, certificate, state, Peaks.decode(meta[_PEAKS]))

    def _remember(self, params: ParamsPair, seats: Seats) -> None:
        """Only those of the head are served: devices ask for what the head names."""
        self._small = {params.hash(): params.encode(), seats.root(): seats.encode()}

    def update(self, root: bytes) -> bytes | None:
        """`Archive.update`."""
        return self._updates.get(root)

    def has_update(self, root: bytes) -> bool:
        """`Archive.has_update`."""
        return self._updates.path(root).is_file()

    def model(self, root: bytes) -> bytes | None:
        """`Archive.model`."""
        return self._models.get(root)

    def block(self, header_hash: bytes) -> bytes | None:
        """`Archive.block`."""
        return self._blocks.get(header_hash)

    def piece(self, kind: ObjectKind, root: bytes, index: int) -> Piece | None:
        """`Archive.piece`."""
        if kind in self._folders:
            return _piece_of_file(self._folders[kind].path(root), index)
        is_small = kind in (ObjectKind.PARAMS, ObjectKind.SEATS)
        data = (self._small if is_small else self._fixed).get(root)
        return None if data is None else piece_of(data, index)

    def header(self, height: int) -> Header | None:
        """`Archive.header`."""
        row = self._db.conn.execute("select header from headers where height = ?", [height]).fetchone()
        return None if row is None else Header.decode(row[0])

    def attacks(self) -> tuple[bytes, ...]:
        """`Archive.attacks`."""
        return tuple(
            bytes(row[0]) for row in self._db.conn.execute("select attack from attacks order by seq")
        )

    def mmr_node(self, position: int) -> bytes | None:
        """`Archive.mmr_node`."""
        return self._mmr.node(position)

    def headers_to(self) -> int:
        """`Archive.headers_to`."""
        (height,) = self._db.conn.execute("select max(height) from headers").fetchone()
        return height or 0

    def checkpoint(self) -> Checkpoint | None:
        """`Archive.checkpoint`."""
        return self.retention.checkpoint()

    def lacking(self) -> int | None:
        """`Archive.lacking`."""
        return self.retention.lacking()

    def certificate_from(self, height: int) -> Certificate | None:
        """`Archive.certificate_from`."""
        return self._certificate("height >= ? and certificate is not null order by height", height)

    def certificate_to(self, height: int) -> Certificate | None:
        """`Archive.certificate_to`."""
        return self._certificate("height <= ? and certificate is not null order by height desc", height)

    def _certificate(self, where: str, height: int) -> Certificate | None:
        query = f"select certificate from headers where {where} limit 1"  # noqa: S608
        row = self._db.conn.execute(query, [height]).fetchone()
        return None if row is None or row[0] is None else Certificate.decode(row[0])

    def handoff(self, epoch: int) -> Handoff | None:
        """`Archive.handoff`."""
        row = self._db.conn.execute("select handoff from handoffs where epoch = ?", [epoch]).fetchone()
        return None if row is None else Handoff.decode(row[0])

    def inclusion(self, update_root: bytes) -> tuple[int, int] | None:
        """`Archive.inclusion`."""
        query = "select height, place from inclusions where update_root = ?"
        row = self._db.conn.execute(query, [update_root]).fetchone()
        return None if row is None else (row[0], row[1])


def _piece_of_file(path: Path, index: int) -> Piece | None:
    try:
        with path.open("rb") as file:
            count = chunk_count(os.fstat(file.fileno()).st_size)
            file.seek(index * CHUNK_BYTES)
            return Piece(count, file.read(CHUNK_BYTES)) if index < count else None
    except FileNotFoundError:
        return None


def _decode_bases(data: bytes) -> tuple[Base, ...]:
    reader = Reader(data, "bases")
    bases = tuple(reader.fixed(Base) for _ in range(len(data) // Base.LAYOUT.size_bytes))
    reader.finish()
    return bases
