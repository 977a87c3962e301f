"""The device's real disk behind the interface of `device_world.Disk`: the same lives run on SQLite."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.core.events import AgentEffect, Fate, PendingUpdate, SettleUpdate
from edge_client.core.stored import Stored
from edge_client.protocol.errors import Reason
from edge_client.runtime.objects import ObjectStore
from tests.device_world import Disk

HISTORY = 1000


class Objects(MutableMapping[bytes, bytes]):
    """An `ObjectStore` as a mapping."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __getitem__(self, root: bytes) -> bytes:
        data = self._store.get(root)
        if data is None:
            raise KeyError(root)
        return data

    def __setitem__(self, root: bytes, data: bytes) -> None:
        self._store.put(root, data)

    def __delitem__(self, root: bytes) -> None:
        self._store.delete(root)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._store.roots())

    def __len__(self) -> int:
        return len(self._store.roots())


class RealDisk(Disk):
    """A state folder; `crash` is what a power cut leaves of it, opened by the next process."""

    def __init__(self, folder: Path, chain_id: bytes) -> None:
        super().__init__()
        self.folder = folder
        self._chain_id = chain_id
        self.real = DeviceDisk(folder, chain_id)
        self._executors = self.real.executors()
        self.objects = Objects(self.real.objects)  # type: ignore[assignment]

    def save(self, effect: AgentEffect) -> None:
        """Execute it as the service does."""
        if type(effect) in self._executors:
            self._executors[type(effect)](effect)

    def crash(self) -> RealDisk:
        """Copy the files while the old process still has them open: nothing was closed or flushed for it."""
        after = self.folder.with_name(self.folder.name + "+")
        shutil.copytree(self.folder, after)
        return RealDisk(after, self._chain_id)

    @property
    def stored(self) -> Stored:
        """What a starting agent finds."""
        return self.real.stored()

    @property
    def updates(self) -> dict[bytes, PendingUpdate]:
        """All updates of the history; chunk hashes are not kept for settled ones here."""
        rows = self.real.outbox.history(HISTORY)
        return {row.head.update_root: PendingUpdate(row.head, ()) for row in rows}

    @updates.setter
    def updates(self, _: object) -> None:
        """`Disk` sets it; nothing to keep."""

    @property
    def fates(self) -> dict[bytes, SettleUpdate]:
        """What became of settled ones."""
        return {
            row.head.update_root: SettleUpdate(
                row.head.update_root,
                row.fate,
                None if row.reason is None else Reason(row.reason),
                row.settled_height or 0,
                0,
            )
            for row in self.real.outbox.history(HISTORY)
            if row.fate != Fate.PENDING
        }

    @fates.setter
    def fates(self, _: object) -> None:
        """`Disk` sets it; nothing to keep."""

    @property
    def residual(self) -> list[tuple[bytes, int]]:
        """Parts of the residual."""
        return [(part.root, part.freed_round) for part in self.real.outbox.residual()]

    @residual.setter
    def residual(self, _: object) -> None:
        """`Disk` sets it; nothing to keep."""
