"""What goes from a validator's disk, and when: bodies outside the window, old models, old checkpoints [PRN].

A file goes after the transaction that made it needless, its row with the next block's transaction. So a
crash between leaves rows of files that are gone, which are swept again, and never a needed file deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlite_utils import Database as Schema

from broker.core.pruning import CHECKPOINTS_KEPT, SWEEP_MAX, body_floor, is_checkpoint
from edge_client.protocol.checkpoint import Checkpoint
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.hashing import HASH_BYTES
from edge_client.protocol.header import AppLeaves
from edge_client.protocol.state import ChainState
from edge_client.runtime.database import Database
from edge_client.runtime.objects import ObjectStore

_PRUNED_TO = "pruned_to"


def create_retention(database: Schema) -> None:
    """Schema: bodies by the block they belong to, checkpoints, ranges of heights whose block is not here."""
    database["bodies"].create({"root": bytes, "kind": int, "height": int}, pk=("root", "kind"))
    database["bodies"].create_index(["height"], index_name="bodies_height")
    database["checkpoints"].create({"height": int, "app": bytes, "models": bytes}, pk="height")
    database["lacking"].create({"first": int, "last": int}, pk="first")


class Retention:
    """Knows what is kept and why; `note_*` and `forget` run inside the store's transactions."""

    def __init__(
        self, database: Database, folders: Mapping[ObjectKind, ObjectStore], always: Iterable[bytes]
    ) -> None:
        """`folders` of UPDATE, MODEL, BLOCK and STATE; `always`: models that never go."""
        self._connection = database.conn
        self._folders = folders
        self._always = frozenset(always)
        row = self._connection.execute("select value from meta where key = ?", [_PRUNED_TO]).fetchone()
        self.pruned_to = int.from_bytes(row[0], "big") if row else 0
        self._swept: set[tuple[bytes, int]] = set()
        self._old_checkpoints: list[tuple[int]] = []

    # --- inside a transaction -----------------------------------------------------------------------------

    def note(self, kind: ObjectKind, roots: Iterable[bytes], height: int) -> None:
        """These belong to the block of `height`: what is known of them already is replaced."""
        rows = [(root, int(kind), height) for root in roots]
        self._connection.executemany(
            "insert or replace into bodies (root, kind, height) values (?, ?, ?)", rows
        )
        self._swept.difference_update((root, number) for root, number, _ in rows)

    def note_checkpoint(self, height: int, state: ChainState) -> None:
        """The state after `height` is in its folder, with the models of its bases."""
        models = b"".join(base.model_root for base in state.bases)
        self._connection.execute(
            "insert or replace into checkpoints (height, app, models) values (?, ?, ?)",
            [height, state.app_leaves().encode(), models],
        )

    def note_final(self, height: int, state: ChainState, included: Iterable[bytes]) -> None:
        """A block is final; rows of what was swept after the one before go with it."""
        self.note(ObjectKind.UPDATE, included, height)
        if is_checkpoint(height, state.params.in_force):
            self.note_checkpoint(height, state)
        self._connection.executemany("delete from bodies where root = ? and kind = ?", list(self._swept))
        self._connection.executemany("delete from checkpoints where height = ?", self._old_checkpoints)
        self._connection.execute(
            "insert or replace into meta (key, value) values (?, ?)",
            [_PRUNED_TO, self.pruned_to.to_bytes(4, "big")],
        )
        self._swept, self._old_checkpoints = set(), []

    def note_lacking(self, first: int, last: int) -> None:
        """Blocks of these heights were passed over: a checkpoint stands above them."""
        if first <= last:
            self._connection.execute("insert into lacking (first, last) values (?, ?)", [first, last])

    def note_found(self, height: int) -> None:
        """The highest lacking block is here now."""
        self._connection.execute("update lacking set last = last - 1 where last = ?", [height])
        self._connection.execute("delete from lacking where last < first")

    # --- after it -----------------------------------------------------------------------------------------

    def sweep(self, height: int, state: ChainState) -> None:
        """Delete the files that nothing needs once this state is on the disk."""
        floor = body_floor(height, state.params.in_force)
        needed = self._always.union(base.model_root for base in state.bases)
        checkpoints = self._connection.execute("select height, app, models from checkpoints").fetchall()
        kept = self._kept_heights()
        for at, app, models in checkpoints:
            if at in kept:
                needed = needed.union(models[i : i + HASH_BYTES] for i in range(0, len(models), HASH_BYTES))
            else:
                self._folders[ObjectKind.STATE].delete(AppLeaves.decode(app).state_root)
                self._old_checkpoints.append((at,))
        query = "select root, kind, height from bodies where height <= ? order by height limit ?"
        rows = self._connection.execute(query, [floor, SWEEP_MAX]).fetchall()
        for root, kind, at in rows:
            if kind == ObjectKind.MODEL and root in needed:
                continue
            if kind != ObjectKind.BLOCK or not self._is_final(root, at):
                self._folders[ObjectKind(kind)].delete(root)
            self._swept.add((root, kind))
        if len(rows) < SWEEP_MAX:
            self.pruned_to = max(self.pruned_to, floor)

    def remove_leftovers(self) -> None:
        """Remove files that a crash left without a row. Blocks are not looked at: there are too many."""
        rows = self._connection.execute("select root, kind from bodies").fetchall()
        offers = self._connection.execute("select update_root from offers").fetchall()
        known = {(root, kind) for root, kind in rows} | {(row[0], int(ObjectKind.UPDATE)) for row in offers}
        known |= {(root, int(ObjectKind.MODEL)) for root in self._always}
        apps = self._connection.execute("select app from checkpoints").fetchall()
        known |= {(AppLeaves.decode(app).state_root, int(ObjectKind.STATE)) for (app,) in apps}
        for kind in (ObjectKind.UPDATE, ObjectKind.MODEL, ObjectKind.STATE):
            for root in self._folders[kind].roots():
                if (root, int(kind)) not in known:
                    self._folders[kind].delete(root)

    # --- reading ------------------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint | None:
        """The newest one."""
        query = "select height, app from checkpoints order by height desc limit 1"
        row = self._connection.execute(query).fetchone()
        return None if row is None else Checkpoint(row[0], AppLeaves.decode(row[1]))

    def checkpoints(self) -> list[Checkpoint]:
        """Those that are kept, ascending."""
        query = "select height, app from checkpoints order by height desc limit ?"
        rows = self._connection.execute(query, [CHECKPOINTS_KEPT]).fetchall()
        return [Checkpoint(height, AppLeaves.decode(app)) for height, app in reversed(rows)]

    def state(self, root: bytes) -> bytes | None:
        """The encoded state of a checkpoint."""
        return self._folders[ObjectKind.STATE].get(root)

    def checkpoint_heights(self) -> list[int]:
        """Where they are, ascending."""
        return sorted(self._kept_heights())

    def lacking(self) -> int | None:
        """The highest block that is final and not here."""
        (height,) = self._connection.execute("select max(last) from lacking").fetchone()
        return None if height is None else int(height)

    def lacking_count(self) -> int:
        """How many there are."""
        (count,) = self._connection.execute("select total(last - first + 1) from lacking").fetchone()
        return int(count)

    def _kept_heights(self) -> set[int]:
        query = "select height from checkpoints order by height desc limit ?"
        return {row[0] for row in self._connection.execute(query, [CHECKPOINTS_KEPT])}

    def _is_final(self, block_hash: bytes, height: int) -> bool:
        query = "select 1 from headers where height = ? and hash = ?"
        return self._connection.execute(query, [height, block_hash]).fetchone() is not None
