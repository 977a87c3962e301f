"""Stores with one mistake each, planted into the process that is recorded: the checks must catch them all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from broker.adapters import together
from broker.adapters.block_store import BlockStore
from broker.adapters.key_marker import LOG_ID_BYTES, KeyMarker
from edge_client.adapters.checkpoint_store import CheckpointStore
from edge_client.adapters.outbox_store import OutboxStore, PartKind
from edge_client.core.events import SaveCheckpoint, SaveUpdate, SettleUpdate
from edge_client.protocol.machine import Publish
from edge_client.runtime import database, files, objects
from edge_client.runtime.files import TEMPORARY_SUFFIX

DEVICE, VALIDATOR = "device", "validator"


def plant(owner: object, name: str, mistake: object) -> None:
    """Put it where the real thing is."""
    setattr(owner, name, mistake)


def no_sync(descriptor: int) -> None:
    """Says that it has synced."""


def files_not_synced() -> None:
    """New files are renamed without having been synced."""
    real = os.fsync

    def sync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_dir():
            real(descriptor)

    plant(os, "fsync", sync)


def renamed_before_synced() -> None:
    """The new name first, then the sync."""
    real = os.fsync

    def replace(path: Path, pieces: Iterable[bytes]) -> None:
        temporary = path.with_name(f"{path.name}.1{TEMPORARY_SUFFIX}")
        plant(os, "fsync", no_sync)
        files._write_new(temporary, pieces, 0o644)
        plant(os, "fsync", real)
        temporary.replace(path)
        files.sync_folder(path.parent)
        with path.open("rb") as file:
            os.fsync(file.fileno())

    plant(files, "replace_by_pieces", replace)


def folders_not_synced() -> None:
    """A new name is left to the file system."""
    plant(files, "sync_folder", lambda _path: None)


def commits_not_synced() -> None:
    """SQLite's NORMAL: the log is synced only before it is copied into the database."""
    _configure_with("NORMAL")


def nothing_in_sqlite_synced() -> None:
    """SQLite's OFF."""
    _configure_with("OFF")


def _configure_with(level: str) -> None:
    real: Callable[[database.Database], None] = database._configure

    def configure(one: database.Database) -> None:
        real(one)
        one.conn.execute(f"PRAGMA synchronous = {level}").fetchall()

    plant(database, "_configure", configure)


def checkpoint_pointed_to_before_it_is_there() -> None:
    """The row, then the object."""
    real = CheckpointStore.save

    def save(self: CheckpointStore, effect: SaveCheckpoint) -> None:
        data = None if effect.interrupted is None else self._objects.get(effect.interrupted.root)
        if effect.interrupted is None or data is None:
            real(self, effect)
            return
        self._objects.delete(effect.interrupted.root)
        real(self, effect)
        self._objects.put(effect.interrupted.root, data)

    plant(CheckpointStore, "save", save)


def residual_swapped_by_itself() -> None:
    """The residual in one transaction, the update in another."""
    real = OutboxStore.save_update

    def save(self: OutboxStore, effect: SaveUpdate) -> None:
        with database.transaction(self._database):
            self._delete_parts(effect.consumed)
            self._insert_part(effect.residue_root, PartKind.RESIDUE, effect.update.head.round)
        real(self, effect)

    plant(OutboxStore, "save_update", save)


def body_deleted_before_the_answer_is_saved() -> None:
    """The file of an included update goes before its row says so."""
    real = OutboxStore.settle

    def settle(self: OutboxStore, effect: SettleUpdate) -> None:
        self._objects.delete(effect.update_root)
        real(self, effect)

    plant(OutboxStore, "settle", settle)


def row_deleted_before_the_answer() -> None:
    """An update is forgotten as soon as it was saved: it will be sent in a moment."""
    real = OutboxStore.save_update

    def save(self: OutboxStore, effect: SaveUpdate) -> None:
        real(self, effect)
        with database.transaction(self._database):
            self._database.conn.execute(
                "DELETE FROM updates WHERE root = ?", (effect.update.head.update_root,)
            )

    plant(OutboxStore, "save_update", save)


def objects_written_in_place() -> None:
    """Under their names from the first byte on."""

    def replace(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    plant(objects, "replace", replace)


def votes_sent_before_they_are_saved() -> None:
    """Send before Persist."""
    real = together.grouped

    def grouped(effects: Iterable[Any]) -> list[Any]:
        return sorted(real(effects), key=lambda one: not isinstance(one, Publish))

    plant(together, "grouped", grouped)


def offer_saved_before_its_body() -> None:
    """The row, and when it is committed the file."""
    real = BlockStore.store_together

    def store(self: BlockStore, group: together.Together) -> None:
        late: list[tuple[bytes, bytes]] = []
        put = self._updates.put
        plant(self._updates, "put", lambda *update: late.append(update))
        real(self, group)
        plant(self._updates, "put", put)
        for update in late:
            put(*update)

    plant(BlockStore, "store_together", store)


def marker_written_before_the_log_has_its_name() -> None:
    """The key is bound to a log that is not there yet."""

    def bind(self: KeyMarker) -> None:
        self.check()
        if self._log.id() is None:
            name = os.urandom(LOG_ID_BYTES)
            files.replace(self._path, name.hex().encode() + b"\n")
            self._log.begin(name)

    plant(KeyMarker, "bind", bind)


def pruned_before_the_block_is_saved() -> None:
    """Files go, and then the transaction that makes them needless is committed."""

    @contextmanager
    def part(self: BlockStore) -> Iterator[None]:
        if self._db.conn.in_transaction:
            yield
            return
        with database.transaction(self._db):
            yield
            if self._final is not None:
                self.retention.sweep(*self._final)
                self._final = None

    plant(BlockStore, "_transaction", part)


def database_without_a_log() -> None:
    """The database is changed in place and has no journal that would undo half a change."""
    real: Callable[[database.Database], None] = database._configure

    def configure(one: database.Database) -> None:
        real(one)
        one.conn.execute("PRAGMA journal_mode = OFF").fetchall()

    plant(database, "_configure", configure)


MISTAKES: dict[str, dict[str, Callable[[], None]]] = {
    DEVICE: {
        one.__name__: one
        for one in (
            files_not_synced,
            renamed_before_synced,
            folders_not_synced,
            commits_not_synced,
            nothing_in_sqlite_synced,
            database_without_a_log,
            checkpoint_pointed_to_before_it_is_there,
            residual_swapped_by_itself,
            body_deleted_before_the_answer_is_saved,
            row_deleted_before_the_answer,
            objects_written_in_place,
        )
    },
    VALIDATOR: {
        one.__name__: one
        for one in (
            files_not_synced,
            folders_not_synced,
            commits_not_synced,
            votes_sent_before_they_are_saved,
            offer_saved_before_its_body,
            marker_written_before_the_log_has_its_name,
            pruned_before_the_block_is_saved,
        )
    },
}


def make_mistake(name: str = "") -> None:
    """Plant it into this process; no name, no mistake."""
    if name:
        {**MISTAKES[DEVICE], **MISTAKES[VALIDATOR]}[name]()
