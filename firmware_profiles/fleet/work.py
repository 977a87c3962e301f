"""Work of a device whose time is over, and what comes of it: trained, recorded, random or false updates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import shake_256

import numpy as np

from edge_client.adapters.outbox_store import ResidualPart
from edge_client.core.events import (
    ModelMeasured,
    TrainingFailed,
    TrainingFinished,
    TrainingOrder,
    TrainingPaused,
)
from edge_client.protocol.chunks import blob_root, chunk_hash, split
from edge_client.protocol.execution.checks import steps_asked
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.update import UpdateBody, update_root
from firmware_profiles.fleet.founding import DeviceSetup
from firmware_profiles.fleet.shell import Objects

SMALL_EXPONENT = -12
NO_RESIDUE = b""
LOSS_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Work:
    """Work whose time is over: whose it is, where its objects are, and what earlier updates left over."""

    setup: DeviceSetup
    genesis: Genesis
    order: TrainingOrder
    objects: Objects
    parts: tuple[ResidualPart, ...]


Outcome = ModelMeasured | TrainingFinished | TrainingFailed | TrainingPaused
Train = Callable[[Work], Sequence[Outcome]]
"""Makes what the work reports, in order; objects go to the device's disk."""


def done(train: Train, work: Work) -> Sequence[Outcome]:
    """What the work of a device comes to, of one that lies, too."""
    return [lie(work)] if work.setup.lies else train(work)


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
        consumed=tuple(part.root for part in work.parts),
        samples=work.setup.samples,
        steps=asked if order.steps_max is None else min(asked, order.steps_max),
        loss_before_micro=losses_micro[0],
        loss_after_micro=losses_micro[1],
    )


def lie(work: Work) -> TrainingFinished:
    """What a device says that wants to be heard: huge random codes, a perfect loss, and more samples than it
    has. Well-formed, and worth nothing."""
    order, sizes = work.order, work.genesis.manifest.sizes
    body = UpdateBody((0,) * len(sizes), random_codes(sizes, order.seed).codes)
    claim = finished(work, body, (LOSS_MICRO, 0))
    samples = order.params.sample_cap
    return replace(claim, samples=samples, steps=steps_asked(order.params, samples))
