"""kill -9 of a real process at any moment of saving and settling: nothing is lost, nothing counts twice."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.outbox_store import HISTORY_MAX, PartKind
from edge_client.core.events import Fate
from edge_client.core.quantise import dequantise
from edge_client.protocol.update import UpdateBody
from tests.integration.killed_trainer import FATES, SHAPES, SIZES, part_values

SEED = 20261122
KILLS = 20
STEPS_MAX = 16


def run_and_kill(folder: Path, steps: int) -> None:
    """Kill it somewhere after it began so many steps; where exactly is up to the two processes."""
    command = [sys.executable, "-m", "tests.integration.killed_trainer", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(steps):
            assert process.stdout.readline() == "here\n", "it must be able to start from what a kill left"
        process.kill()


def check(folder: Path) -> int:
    """Everything ever learned (one per round) is in an included or pending update or in the residual."""
    disk = DeviceDisk(folder, bytes(32))
    disk.stored()
    rows = disk.outbox.history(HISTORY_MAX)
    rounds = [row.head.round for row in rows]
    assert rounds == list(range(len(rows), 0, -1)), "every round was saved once"
    total = [np.zeros(shape, np.float64) for shape in SHAPES]
    for row in rows:
        if row.fate in {Fate.INCLUDED, Fate.PENDING}:
            data = (folder / "bodies" / row.head.update_root.hex()).read_bytes()
            for into, values in zip(total, dequantise(UpdateBody.decode(data, SIZES), SHAPES), strict=True):
                np.add(into, values, out=into)
        if row.fate != Fate.PENDING:
            assert row.fate == FATES[row.head.round % len(FATES)]
    for part in disk.outbox.residual():
        for into, values in zip(total, part_values(disk, part.root, part.kind), strict=True):
            np.add(into, values, out=into)
    for tensor in total:
        np.testing.assert_allclose(tensor, len(rows), rtol=1e-5)
    given_back = [part.root for part in disk.outbox.residual() if part.kind == PartKind.UPDATE]
    assert len(given_back) == len(set(given_back))
    disk.close()
    return len(rows)


def test_twenty_kills_at_random_moments(tmp_path: Path) -> None:
    moments = random.Random(SEED)
    rounds = 0
    for number in range(KILLS):
        folder = tmp_path / str(number % 4)
        folder.mkdir(exist_ok=True)
        run_and_kill(folder, moments.randint(1, STEPS_MAX))
        rounds += check(folder)
    assert rounds > KILLS, "the process did work between the kills"
