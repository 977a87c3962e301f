"""The few models a device keeps beside the one it needs: the latest, and the best on its own hold-out."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.core.events import SaveMeasure, Score
from edge_client.protocol.header import AppLeaves
from edge_client.runtime.database import Database, transaction
from edge_client.runtime.objects import ObjectStore

LATEST_KEPT = 3
"""And the best one, if it is not among them. At least two: the latest may be in use while another arrives."""


@dataclass(frozen=True, slots=True)
class KeptModel:
    """A measured model. The header of `height` commits to `app`, and `app` to the model; `initial` and `own`
    are those of the chain's first model and of the device alone, on the same `samples`."""

    root: bytes
    round: int
    height: int
    app: AppLeaves
    samples: int
    initial: Score
    model: Score
    own: Score


class ModelStore:
    """Table `models`, and the objects it points to."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects

    def save(self, effect: SaveMeasure) -> None:
        """Keep what was measured; models that are worth less now go."""
        one = effect.measured
        scores = [
            number for score in (one.initial, one.model, one.own) for number in (score.accuracy, score.loss)
        ]
        with transaction(self._database):
            self._database.conn.execute(
                "INSERT OR REPLACE INTO models VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(one.order.model_root, one.order.round, one.order.head_height, one.order.app.encode()),
                    *(one.samples, *scores),
                ),
            )
            gone = [kept.root for kept in self._worth_less()]
            self._database.conn.executemany("DELETE FROM models WHERE root = ?", [(root,) for root in gone])
        for root in gone:
            self._objects.delete(root)

    def _worth_less(self) -> list[KeptModel]:
        older = self.all()[LATEST_KEPT:]
        best = self.best()
        return [one for one in older if best is None or one.root != best.root]

    def all(self) -> list[KeptModel]:
        """What is kept, latest first."""
        rows = self._database.conn.execute("SELECT * FROM models ORDER BY round DESC").fetchall()
        return [
            KeptModel(
                bytes(root),
                number,
                height,
                AppLeaves.decode(app),
                samples,
                Score(*scores[:2]),
                Score(*scores[2:4]),
                Score(*scores[4:]),
            )
            for root, number, height, app, samples, *scores in rows
        ]

    def best(self) -> KeptModel | None:
        """The one with the most right answers, then the smallest loss, then the latest."""
        return max(self.all(), key=lambda one: (one.model.accuracy, -one.model.loss, one.round), default=None)
