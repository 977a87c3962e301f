"""kill -9 of a real process at any moment of saving and settling: nothing is lost, nothing counts twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.outbox_store import HISTORY_MAX, PartKind
from edge_client.core.events import Fate
from edge_client.core.quantise import dequantise
from edge_client.protocol.update import UpdateBody
from tests.integration import killed_trainer
from tests.integration.killed_trainer import FATES, SHAPES, SIZES, part_values
from tests.kill_loop import KILLS, killed

SEED = 20261122
STEPS_MAX = 16


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
    kept = [check(folder) for folder in killed(killed_trainer.__name__, SEED, STEPS_MAX, tmp_path)]
    assert sum(kept) > KILLS, "the process did work between the kills"
