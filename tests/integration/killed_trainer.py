"""A process for `test_device_kills.py`: trains for ever on one state folder, until it is killed.

Every round "learns" one everywhere. Rounds end included, refused or expired as their number says. Bodies are
also written to a folder that nothing deletes, so that afterwards everything ever learned can be counted.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.outbox_store import PartKind
from edge_client.core.events import Fate, PendingUpdate, SaveUpdate, SettleUpdate
from edge_client.core.quantise import decode_residue, dequantise, encode_residue, quantise
from edge_client.protocol.chunks import blob_root
from edge_client.protocol.errors import Reason
from edge_client.protocol.model import Floats
from edge_client.protocol.update import UpdateBody, UpdateHead

SHAPES = [(40, 5), (7,)]
SIZES = [200, 7]
FATES = (Fate.INCLUDED, Fate.REFUSED, Fate.INCLUDED, Fate.EXPIRED)


def part_values(disk: DeviceDisk, root: bytes, kind: PartKind) -> list[Floats]:
    """A part of the residual as numbers."""
    data = disk.objects.get(root)
    assert data is not None
    if kind == PartKind.RESIDUE:
        return decode_residue(data, SHAPES)
    return dequantise(UpdateBody.decode(data, SIZES), SHAPES)


def train(disk: DeviceDisk, bodies: Path, round_number: int) -> None:
    """One round, saved."""
    parts = disk.outbox.residual()
    total = [np.ones(shape, np.float32) for shape in SHAPES]
    for part in parts:
        for into, values in zip(total, part_values(disk, part.root, part.kind), strict=True):
            np.add(into, values, out=into)
    body, residue = quantise(total, round_number.to_bytes(32, "big"))
    encoded, left = body.encode(), encode_residue(residue)
    root = round_number.to_bytes(32, "little")
    (bodies / root.hex()).write_bytes(encoded)
    disk.objects.put(root, encoded)
    disk.objects.put(blob_root(left), left)
    head = UpdateHead(0, round_number, 0, bytes(32), root, len(encoded), 1, 1)
    update = PendingUpdate(head, (bytes(32),))
    disk.outbox.save_update(SaveUpdate(update, blob_root(left), tuple(part.root for part in parts)))


def settle_one(disk: DeviceDisk) -> None:
    """The oldest pending update gets its fate, once two are waiting."""
    pending = disk.outbox.pending()
    if len(pending) > 1:
        head = pending[0].head
        fate = FATES[head.round % len(FATES)]
        reason = None if fate == Fate.INCLUDED else Reason.EXPIRED
        disk.outbox.settle(SettleUpdate(head.update_root, fate, reason, 1, head.round + 1))


def main() -> None:
    """Run until killed."""
    folder = Path(sys.argv[1])
    bodies = folder / "bodies"
    bodies.mkdir(exist_ok=True)
    disk = DeviceDisk(folder, bytes(32))
    disk.stored()
    while True:
        print("here", flush=True)  # so that the killer can choose its moment by counting
        train(disk, bodies, disk.outbox.last_round() + 1)
        print("here", flush=True)
        settle_one(disk)


if __name__ == "__main__":
    main()
