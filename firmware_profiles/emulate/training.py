"""The work of emulated devices: the agent's own, in the caller's thread, on an interpreter that all share;
liars need none."""

from __future__ import annotations

from collections.abc import Sequence

from edge_client.adapters.data.own_data import OwnData
from edge_client.adapters.trainer import Job, TrainerSetup, train_now
from edge_client.litert.training import Dataset
from firmware_profiles.emulate.device import Assignment, Outcome
from firmware_profiles.emulate.graphs import GraphPool
from firmware_profiles.fleet.work import Work, lie
from firmware_profiles.lesson.shares import ShareSource


class SharedTrainer:
    """Does one assignment after the other."""

    def __init__(self, shares: Sequence[Dataset]) -> None:
        self._shares = shares
        self._pool = GraphPool()

    def __call__(self, work: Assignment) -> Sequence[Outcome]:
        """Everything the work reports, in order; objects are on the device's disk."""
        setup, found = work.setup, list[Outcome]()
        if setup.lies:
            roots = tuple(part.root for part in work.parts)
            return [lie(Work(setup, work.order, work.objects, roots), work.genesis.manifest.sizes)]
        data = OwnData(ShareSource(self._shares[setup.share], setup.samples))
        key = setup.identity.signer.public_key
        trainer = TrainerSetup(key, work.objects, data, 1, found.append, open_graph=self._pool.open)
        train_now(trainer, work.genesis, Job(work.order, work.parts))
        return found
