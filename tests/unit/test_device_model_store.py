"""Which models a device keeps: bounded, the best among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.model_store import LATEST_KEPT
from edge_client.core.events import DropObject, ModelMeasured, SaveMeasure, Score, TrainingOrder
from edge_client.protocol.header import AppLeaves
from tests.builders import ChainMaker, make_params
from tests.device_world import DeviceWorld

CHAIN_ID = bytes(32)


def root(number: int) -> bytes:
    return bytes([number]) * 32


def order(number: int) -> TrainingOrder:
    app = AppLeaves(root(number), bytes(32), bytes(32), bytes(32))
    return TrainingOrder(number, 0, root(number), make_params(), bytes(32), 0, number + 1, app)


def save(disk: DeviceDisk, number: int, accuracy: float, loss: float = 1.0) -> None:
    """A model arrives, is measured, and is dropped by the agent once the next one is there."""
    disk.objects.put(root(number), b"model")
    scores = Score(0.1, 2.0), Score(accuracy, loss), Score(0.5, 0.5)
    disk.executors()[SaveMeasure](SaveMeasure(ModelMeasured(order(number), 40, *scores)))
    if number > 1:
        disk.executors()[DropObject](DropObject(root(number - 1)))


@pytest.fixture
def disk(tmp_path: Path) -> DeviceDisk:
    return DeviceDisk(tmp_path, CHAIN_ID)


def test_the_latest_and_the_best_stay(disk: DeviceDisk) -> None:
    for number in range(1, 10):
        save(disk, number, 0.9 if number == 2 else number / 100)
    kept = [one.round for one in disk.models.all()]
    assert kept == [9, 8, 7, 2]
    assert len(kept) == LATEST_KEPT + 1
    assert disk.objects.roots() == sorted(map(root, kept))


def test_what_was_measured_comes_back(tmp_path: Path, disk: DeviceDisk) -> None:
    save(disk, 3, 0.75, 0.25)
    disk.close()
    (one,) = DeviceDisk(tmp_path, CHAIN_ID).models.all()
    assert (one.root, one.round, one.height, one.app, one.samples) == (root(3), 3, 4, order(3).app, 40)
    assert (one.initial, one.model, one.own) == (Score(0.1, 2.0), Score(0.75, 0.25), Score(0.5, 0.5))


def test_equal_accuracy_is_decided_by_loss_and_then_by_age(disk: DeviceDisk) -> None:
    assert disk.models.best() is None
    for number, loss in ((1, 0.5), (2, 0.4), (3, 0.4)):
        save(disk, number, 0.9, loss)
    best = disk.models.best()
    assert best is not None
    assert best.round == 3


def test_kept_models_survive_a_start(tmp_path: Path, disk: DeviceDisk) -> None:
    save(disk, 1, 0.9)
    disk.objects.put(root(9), b"left behind by a crash")
    disk.close()
    again = DeviceDisk(tmp_path, CHAIN_ID)
    again.stored()
    assert again.objects.roots() == [root(1)]


def test_the_agent_has_what_is_measured_saved() -> None:
    measured = ModelMeasured(order(1), 4, *[Score(0.5, 1.0)] * 3)
    assert DeviceWorld(ChainMaker()).agent.handle(measured, 0)[-1] == SaveMeasure(measured)
