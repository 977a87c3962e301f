"""Updates, their fate, and the residual, in the same transactions: the crash safety of training.

An update and the residue it leaves are saved together, and what is given back is given back by the same
write that settles the update. So whatever moment the power fails at, nothing learned counts twice or is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from edge_client.adapters.shown_headers import keep_shown
from edge_client.core.conditions.prediction import Cost, Spent
from edge_client.core.events import Fate, PendingUpdate, SaveGivenUp, SaveUpdate, SettleUpdate
from edge_client.protocol.body import RecordProof
from edge_client.protocol.encoding import Reader
from edge_client.protocol.hashing import HASH_BYTES
from edge_client.protocol.update import UpdateHead
from edge_client.runtime.database import Database, transaction
from edge_client.runtime.objects import ObjectStore

HISTORY_MAX = 256
"""Settled updates shown by `status`. Older ones go, unless they are included: what a device can prove about
its work, some 600 bytes a round it took part in, is kept for ever."""

COSTS_KEPT_MAX = 10_000
"""Rounds whose costs are kept, some 60 bytes each."""
COST_COLUMNS = "ended_ms, steps, train_ms, energy_mj, up, down, radio_mj, predicted_mj, predicted_bytes, lot"


class PartKind(str, Enum):
    """How a part of the residual is written: float32 values, or the body of an update that did not count."""

    RESIDUE = "residue"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class ResidualPart:
    """A part of the residual: an object, and the round in which it became free."""

    root: bytes
    kind: PartKind
    freed_round: int


@dataclass(frozen=True, slots=True)
class UpdateRow:
    """An update as `status` shows it."""

    head: UpdateHead
    fate: Fate
    reason: str | None
    settled_height: int | None


@dataclass(frozen=True, slots=True)
class Included:
    """An update and the proof that it stands in the block of `height`."""

    head: UpdateHead
    height: int
    proof: RecordProof


class OutboxStore:
    """Tables `updates` and `residual`, and the objects they point to."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects

    def _insert_cost(self, round_number: int, spent: Spent) -> None:
        cost = spent.cost
        row = (
            *(spent.ended_ms, cost.steps, cost.train_ms, cost.energy_mj, cost.up_bytes, cost.down_bytes),
            *(cost.radio_mj, spent.predicted_mj, spent.predicted_bytes, spent.lot),
        )
        self._database.conn.execute(
            f"INSERT OR REPLACE INTO costs (round, {COST_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (round_number, *row),
        )
        self._database.conn.execute("DELETE FROM costs WHERE round <= ?", (round_number - COSTS_KEPT_MAX,))

    def costs(self, count: int) -> dict[int, Spent]:
        """What the last rounds did cost, by round, oldest first."""
        query = f"SELECT round, {COST_COLUMNS} FROM costs ORDER BY round DESC LIMIT ?"  # noqa: S608
        rows = self._database.conn.execute(query, (count,)).fetchall()
        return {row[0]: Spent(row[1], Cost(*row[2:8]), *row[8:]) for row in reversed(rows)}

    def give_up(self, effect: SaveGivenUp) -> None:
        """There will be no update of that round; `HISTORY_MAX` such rounds are kept."""
        conn = self._database.conn
        with transaction(self._database):
            conn.execute("INSERT OR REPLACE INTO given_up VALUES (?, ?)", (effect.round, effect.why))
            if effect.spent is not None:
                self._insert_cost(effect.round, effect.spent)
            conn.execute(
                "DELETE FROM given_up WHERE round NOT IN"
                " (SELECT round FROM given_up ORDER BY round DESC LIMIT ?)",
                (HISTORY_MAX,),
            )

    def given_up(self) -> dict[int, str]:
        """Why, by round."""
        rows = self._database.conn.execute("SELECT round, why FROM given_up").fetchall()
        return {int(number): str(why) for number, why in rows}

    def save_update(self, effect: SaveUpdate) -> None:
        """The update becomes pending and the residual is swapped, both or neither."""
        head, hashes = effect.update.head, b"".join(effect.update.chunk_hashes)
        with transaction(self._database):
            self._delete_parts(effect.consumed)
            self._insert_part(effect.residue_root, PartKind.RESIDUE, head.round)
            if effect.spent is not None:
                self._insert_cost(head.round, effect.spent)
            self._database.conn.execute(
                "INSERT INTO updates (root, round, head, chunk_hashes, fate) VALUES (?, ?, ?, ?, ?)",
                (head.update_root, head.round, head.encode(), hashes, Fate.PENDING.value),
            )
        for root in set(effect.consumed) - {effect.residue_root}:
            self._objects.delete(root)

    def settle(self, effect: SettleUpdate) -> None:
        """Write the fate, once; the body of an update that did not count joins the residual with it."""
        reason = None if effect.reason is None else effect.reason.value
        proof = None if effect.proof is None else effect.proof.encode()
        with transaction(self._database):
            changed = self._database.conn.execute(
                "UPDATE updates SET fate = ?, reason = ?, settled_height = ?, inclusion = ?, chunk_hashes = ?"
                " WHERE root = ? AND fate = ?",
                (
                    *(effect.fate.value, reason, effect.height, proof, b""),
                    *(effect.update_root, Fate.PENDING.value),
                ),
            ).rowcount
            if changed and effect.fate != Fate.INCLUDED:
                self._insert_part(effect.update_root, PartKind.UPDATE, effect.round)
            if changed and effect.at is not None:
                keep_shown(self._database, [effect.at])
            self._forget_old()
        if changed and effect.fate == Fate.INCLUDED:
            self._objects.delete(effect.update_root)

    def _insert_part(self, root: bytes, kind: PartKind, freed_round: int) -> None:
        self._database.conn.execute(
            "INSERT OR REPLACE INTO residual (root, kind, freed_round) VALUES (?, ?, ?)",
            (root, kind.value, freed_round),
        )

    def _delete_parts(self, roots: Iterable[bytes]) -> None:
        self._database.conn.executemany("DELETE FROM residual WHERE root = ?", [(root,) for root in roots])

    def _forget_old(self) -> None:
        self._database.conn.execute(
            "DELETE FROM updates WHERE fate NOT IN (?, ?) AND root NOT IN"
            " (SELECT root FROM updates ORDER BY round DESC LIMIT ?)",
            (Fate.PENDING.value, Fate.INCLUDED.value, HISTORY_MAX),
        )

    def pending(self) -> tuple[PendingUpdate, ...]:
        """Updates whose fate is open, oldest first."""
        query = "SELECT head, chunk_hashes FROM updates WHERE fate = ? ORDER BY round"
        rows = self._database.conn.execute(query, (Fate.PENDING.value,)).fetchall()
        return tuple(PendingUpdate(UpdateHead.decode(head), _split(hashes)) for head, hashes in rows)

    def included(self, root: bytes) -> Included | None:
        """An update that is proven to stand in a block, if it is and a validator showed where."""
        query = "SELECT head, settled_height, inclusion FROM updates WHERE root = ? AND inclusion IS NOT NULL"
        row = self._database.conn.execute(query, (root,)).fetchone()
        if row is None:
            return None
        head, height, inclusion = row
        return Included(UpdateHead.decode(head), height, RecordProof.read(Reader(inclusion, "inclusion")))

    def included_heights(self) -> set[int]:
        """The blocks that own updates are proven to stand in."""
        query = "SELECT DISTINCT settled_height FROM updates WHERE inclusion IS NOT NULL"
        return {int(row[0]) for row in self._database.conn.execute(query)}

    def last_round(self) -> int:
        """The latest round an update was saved for; 0 for none."""
        return int(self._database.conn.execute("SELECT coalesce(max(round), 0) FROM updates").fetchone()[0])

    def residual(self) -> tuple[ResidualPart, ...]:
        """All parts of the residual, oldest first."""
        query = "SELECT root, kind, freed_round FROM residual ORDER BY freed_round, root"
        rows = self._database.conn.execute(query).fetchall()
        return tuple(ResidualPart(bytes(root), PartKind(kind), freed) for root, kind, freed in rows)

    def history(self, count_max: int) -> tuple[UpdateRow, ...]:
        """The latest updates, newest first."""
        query = "SELECT head, fate, reason, settled_height FROM updates ORDER BY round DESC LIMIT ?"
        rows = self._database.conn.execute(query, (count_max,)).fetchall()
        return tuple(UpdateRow(UpdateHead.decode(head), Fate(fate), *rest) for head, fate, *rest in rows)


def _split(hashes: bytes) -> tuple[bytes, ...]:
    return tuple(hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES))
