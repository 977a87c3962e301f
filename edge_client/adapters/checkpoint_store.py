"""Which interrupted work there is: its order and the object with its state, in one row."""

from __future__ import annotations

from edge_client.core.events import Interrupted, SaveCheckpoint, TrainingOrder
from edge_client.protocol.encoding import Reader, uint
from edge_client.protocol.header import AppLeaves
from edge_client.protocol.params import RoundParams
from edge_client.runtime.database import Database, transaction
from edge_client.runtime.objects import ObjectStore

FACT = "interrupted"
NO_LIMIT = (1 << 32) - 1


class CheckpointStore:
    """One fact of the device's database, and the object it points to."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects

    def save(self, effect: SaveCheckpoint) -> None:
        """The new work takes the place of the old, whose object goes afterwards."""
        before, now = self.get(), effect.interrupted
        with transaction(self._database):
            if now is None:
                self._database.conn.execute("DELETE FROM facts WHERE name = ?", (FACT,))
            else:
                row = (FACT, now.root + _encode(now.order))
                self._database.conn.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", row)
        if before is not None and (now is None or now.root != before.root):
            self._objects.delete(before.root)

    def get(self) -> Interrupted | None:
        """The interrupted work."""
        query = "SELECT value FROM facts WHERE name = ?"
        row = self._database.conn.execute(query, (FACT,)).fetchone()
        if row is None:
            return None
        reader = Reader(bytes(row[0]), FACT)
        root = reader.take(32)
        return Interrupted(_read(reader), root)


def _encode(order: TrainingOrder) -> bytes:
    steps_max = NO_LIMIT if order.steps_max is None else order.steps_max
    numbers = (order.round, order.base_height, order.residual_round_min, order.head_height, steps_max)
    fixed = order.model_root + order.seed + order.params.encode() + order.app.encode()
    return b"".join(uint(number, 4) for number in numbers) + fixed


def _read(reader: Reader) -> TrainingOrder:
    round_number, base_height, residual_round_min, head_height, steps_max = (reader.uint(4) for _ in range(5))
    return TrainingOrder(
        round=round_number,
        base_height=base_height,
        model_root=reader.take(32),
        seed=reader.take(32),
        params=reader.fixed(RoundParams),
        residual_round_min=residual_round_min,
        head_height=head_height,
        app=reader.fixed(AppLeaves),
        steps_max=None if steps_max == NO_LIMIT else steps_max,
    )
