"""What comes of work that no training made: a lie is well-formed, false and huge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge_client.adapters.memory_disk import MemoryDisk
from edge_client.adapters.outbox_store import PartKind, ResidualPart
from edge_client.core.events import TrainingOrder
from edge_client.protocol.execution.checks import steps_asked
from edge_client.protocol.header import AppLeaves
from edge_client.protocol.keys import verify
from edge_client.protocol.update import UpdateBody
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.fleet.founding import Founding
from firmware_profiles.fleet.work import LOSS_MICRO, Work, finished, lie, random_codes
from firmware_profiles.twin.members import members
from tests.builders import make_genesis, make_params

GENESIS = make_genesis()
SIZES = GENESIS.manifest.sizes
SEED = b"s" * 32


def some_work(disk: MemoryDisk) -> Work:
    catalogue = read_catalogue()
    founding = Founding(catalogue.fleet("home").resized(10), catalogue, 5)
    setup = founding.device(members(founding.fleet)[0], bytes(32), verify)
    app = AppLeaves(bytes(32), bytes(32), bytes(32), bytes(32))
    params = replace(make_params(), sample_cap=1000)
    order = TrainingOrder(7, 0, bytes(32), params, SEED, 0, 8, app)
    left = ResidualPart(b"r" * 32, PartKind.RESIDUE, 1)
    return Work(replace(setup, samples=50), GENESIS, order, disk.objects, (left,))


def test_a_lie_claims_more_and_moves_the_model_further_than_an_honest_update() -> None:
    disk = MemoryDisk({})
    work = some_work(disk)
    honest = finished(work, random_codes(SIZES, SEED), (LOSS_MICRO, LOSS_MICRO))
    false = lie(work)
    assert (honest.samples, false.samples) == (50, 1000)
    assert false.steps == steps_asked(work.order.params, 1000)
    assert false.loss_after_micro < honest.loss_after_micro
    stored = disk.objects.get(false.update_root)
    assert stored is not None
    body = UpdateBody.decode(stored, SIZES)
    assert body.exponents > random_codes(SIZES, SEED).exponents
    np.testing.assert_array_equal(body.codes, random_codes(SIZES, SEED).codes)
    assert false.consumed == honest.consumed == (b"r" * 32,)
