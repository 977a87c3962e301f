"""Cuts of the power in recorded lives of a device and a validator; all of them: `make check-power`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.power import new_folder
from tests.power.check import check
from tests.power.disk_model import Disk, some_fates
from tests.power.judging import QUICK, Depth
from tests.power.mistakes import DEVICE, VALIDATOR
from tests.power.tracing import record, why_not
from tests.power.words import points_by_round

REASON = why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=REASON or "")

POINTS_MIN = 100
UNTIL_CAUGHT = Depth(some_fates, samples=0, failures_max=1)


@pytest.mark.parametrize("name", [DEVICE, VALIDATOR])
def test_no_cut_does_harm(name: str) -> None:
    recording, verdict = check(name, QUICK)
    assert verdict.failures == []
    assert verdict.finished > 1
    assert verdict.folders > POINTS_MIN
    assert points_by_round(recording)[2] >= POINTS_MIN


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        (DEVICE, "renamed_before_synced"),
        (DEVICE, "row_deleted_before_the_answer"),
        (VALIDATOR, "votes_sent_before_they_are_saved"),
    ],
)
def test_a_mistake_is_caught(name: str, mistake: str) -> None:
    _, verdict = check(name, UNTIL_CAUGHT, mistake)
    assert verdict.failures


def test_what_is_put_into_a_new_folder_is_durable(tmp_path: Path) -> None:
    """Also the folder itself: else an object that a database points to goes with it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    recording = record(folder, new_folder.__name__)
    disk = Disk(recording)
    for operation in recording.operations:
        disk.do(operation)
    left = disk.image([])
    assert left[f"state/objects/{new_folder.ROOT.hex()}"] == b"one"
    assert left["current.tflite"] == f"models/{new_folder.ROOT.hex()}.tflite"
    assert left[f"models/{new_folder.ROOT.hex()}.tflite"] == b"two"
