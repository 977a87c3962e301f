"""What comes of the work of a device, where no training makes it: recorded, random or false updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import shake_256

import numpy as np

from edge_client.core.events import TrainingFinished, TrainingOrder
from edge_client.protocol.chunks import blob_root, chunk_hash, split
from edge_client.protocol.execution.checks import steps_asked
from edge_client.protocol.update import UpdateBody, update_root
from firmware_profiles.fleet.founding import DeviceSetup
from firmware_profiles.fleet.shell import Objects

SMALL_EXPONENT = -12
NO_RESIDUE = b""
LOSS_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Work:
    """Work whose time is over: whose it is, where its objects are, and the roots of what earlier updates
    left over."""

    setup: DeviceSetup
    order: TrainingOrder
    objects: Objects
    residual: tuple[bytes, ...]


def random_codes(sizes: Sequence[int], seed: bytes) -> UpdateBody:
    """Codes that mean nothing, from the order's seed."""
    drawn = np.frombuffer(shake_256(seed).digest(sum(sizes)), dtype=np.int8)
    return UpdateBody((SMALL_EXPONENT,) * len(sizes), np.maximum(drawn, -127))


def finished(work: Work, body: UpdateBody, losses_micro: tuple[int, int]) -> TrainingFinished:
    """A result with this body and nothing left over, stored on the device's disk."""
    order, encoded = work.order, body.encode()
    hashes = tuple(chunk_hash(piece) for piece in split(encoded))
    root = update_root(work.setup.identity.signer.public_key, order.round, len(encoded), hashes)
    work.objects.put(root, encoded)
    work.objects.put(blob_root(NO_RESIDUE), NO_RESIDUE)
    asked = steps_asked(order.params, work.setup.samples)
    return TrainingFinished(
        round=order.round,
        update_root=root,
        size_bytes=len(encoded),
        chunk_hashes=hashes,
        residue_root=blob_root(NO_RESIDUE),
        consumed=work.residual,
        samples=work.setup.samples,
        steps=asked if order.steps_max is None else min(asked, order.steps_max),
        loss_before_micro=losses_micro[0],
        loss_after_micro=losses_micro[1],
    )


def lie(work: Work, sizes: Sequence[int]) -> TrainingFinished:
    """What a device says that wants to be heard: huge random codes, a perfect loss, and more samples than it
    has. Well-formed, and worth nothing; `sizes` are those of the model's tensors."""
    order = work.order
    body = UpdateBody((0,) * len(sizes), random_codes(sizes, order.seed).codes)
    claim = finished(work, body, (LOSS_MICRO, 0))
    samples = order.params.sample_cap
    return replace(claim, samples=samples, steps=steps_asked(order.params, samples))
