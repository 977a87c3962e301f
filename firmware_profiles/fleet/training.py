"""Real training of a fleet: the agent's own work, in the caller's thread, on one interpreter for all."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from edge_client.adapters.data.own_data import OwnData
from edge_client.adapters.trainer import Job, TrainerSetup, train_now
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.training import Dataset
from firmware_profiles.fleet.work import Outcome, Work
from firmware_profiles.lesson.shares import ShareSource


class SharedGraph:
    """One interpreter of the chain's training graph: devices train one after the other, so that one is
    enough. Their weights are swapped in."""

    def __init__(self, source: str | PathLike[str] | bytes) -> None:
        """A file, or its bytes; opened when it is needed."""
        self._source = source
        self._graph: TrainingGraph | None = None

    def open(self, _root: bytes, threads: int) -> TrainingGraph:
        """As it was published, whatever was trained in it before."""
        if self._graph is None:
            self._graph = TrainingGraph.open(self._source, threads)
            self._published = self._graph.get_weights()
        self._graph.set_weights(self._published)
        self._graph.reset_optimizer()
        return self._graph


class RealTraining:
    """Does one piece of work after the other. The same on one type of processor with the same runtime."""

    def __init__(self, shares: Sequence[Dataset], graph: SharedGraph) -> None:
        self._shares = shares
        self._graph = graph

    def __call__(self, work: Work) -> Sequence[Outcome]:
        """See `Train`."""
        setup, found = work.setup, list[Outcome]()
        data = OwnData(ShareSource(self._shares[setup.share], setup.samples))
        key = setup.identity.signer.public_key
        trainer = TrainerSetup(key, work.objects, data, 1, found.append, open_graph=self._graph.open)
        train_now(trainer, work.genesis, Job(work.order, work.parts))
        return found
