"""What a simulated board has learned when the time of its work is over: nothing (`none`), what another board
once learned (`replay`), or what it really learns (`real`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import shake_256

import numpy as np

from edge_client.core.events import TrainingFinished
from edge_client.core.quantise import quantise
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.training import TrainingPlan, train
from edge_client.protocol.chunks import blob_root, chunk_hash, split
from edge_client.protocol.execution.checks import steps_asked
from edge_client.protocol.update import UpdateBody, update_root
from firmware_profiles.lesson.bank import Bank
from firmware_profiles.lesson.digits import Lesson, weights_of
from firmware_profiles.simulate.device import Work

SMALL_EXPONENT = -12
NO_RESIDUE = b""
LOSS_MICRO = 1_000_000


def random_codes(sizes: Sequence[int], seed: bytes) -> UpdateBody:
    """Codes that mean nothing, from the order's seed."""
    drawn = np.frombuffer(shake_256(seed).digest(sum(sizes)), dtype=np.int8)
    return UpdateBody((SMALL_EXPONENT,) * len(sizes), np.maximum(drawn, -127))


class NoTraining:
    """`--train none`: for what does not ask about accuracy."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = tuple(sizes)

    def __call__(self, work: Work) -> TrainingFinished:
        """The same for the same order."""
        return finished(work, random_codes(self._sizes, work.order.seed), (LOSS_MICRO, LOSS_MICRO))


class Real:
    """`--train real`: what the device learns from its share, by LiteRT; one interpreter for all."""

    def __init__(self, lesson: Lesson) -> None:
        self._lesson = lesson
        self._graph = TrainingGraph.open(lesson.graph)

    def __call__(self, work: Work) -> TrainingFinished:
        """The same on the same type of processor with the same runtime."""
        graph, order = self._graph, work.order
        model = work.disk.objects.get(order.model_root)
        if model is None:
            raise RuntimeError("the model of the round is not stored")
        base = weights_of(graph, model)
        graph.set_weights(base)
        graph.reset_optimizer()
        plan = TrainingPlan(
            order.params.local_epochs, order.params.learning_rate, int.from_bytes(order.seed[:8], "big")
        )
        outcome = train(graph, self._lesson.shares[work.setup.share], plan, lambda: False)
        delta = [after - before for after, before in zip(graph.get_weights(), base, strict=True)]
        body, _ = quantise(delta, order.seed)
        return finished(work, body, (outcome.loss_before_micro, outcome.loss_after_micro))


class Liar:
    """A device that wants to be heard: huge random codes, and more samples than it has."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = tuple(sizes)

    def __call__(self, work: Work) -> TrainingFinished:
        """Well-formed, and worth nothing."""
        order = work.order
        body = UpdateBody((0,) * len(self._sizes), random_codes(self._sizes, order.seed).codes)
        claim = finished(work, body, (LOSS_MICRO, 0))
        samples = order.params.sample_cap
        return replace(claim, samples=samples, steps=steps_asked(order.params, samples))


class Replay:
    """`--train replay`: what a device with this share of the data once learned, from a model of that age."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    def __call__(self, work: Work) -> TrainingFinished:
        """The same on every machine."""
        found = self._bank.update(work.order.round, work.setup.share)
        return finished(work, found.body, (found.loss_before_micro, found.loss_after_micro))


def finished(work: Work, body: UpdateBody, losses_micro: tuple[int, int]) -> TrainingFinished:
    """A result with this body and nothing left over, stored on the device's disk."""
    order, encoded, objects = work.order, body.encode(), work.disk.objects
    hashes = tuple(chunk_hash(piece) for piece in split(encoded))
    root = update_root(work.setup.identity.signer.public_key, order.round, len(encoded), hashes)
    objects.put(root, encoded)
    objects.put(blob_root(NO_RESIDUE), NO_RESIDUE)
    asked = steps_asked(order.params, work.setup.samples)
    return TrainingFinished(
        round=order.round,
        update_root=root,
        size_bytes=len(encoded),
        chunk_hashes=hashes,
        residue_root=blob_root(NO_RESIDUE),
        consumed=tuple(part.root for part in work.disk.residual),
        samples=work.setup.samples,
        steps=asked if order.steps_max is None else min(asked, order.steps_max),
        loss_before_micro=losses_micro[0],
        loss_after_micro=losses_micro[1],
    )
