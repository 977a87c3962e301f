"""Trains one round at a time in a thread of its own.

The TFLite runtime is imported when the first round is accepted, not before. Everything the work leaves behind
(body, residue) is on the disk as objects before the result is reported; a kill at any moment merely leaves
objects that nothing points to, and the round is trained again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edge_client.adapters.data.own_data import Loaded, OwnData
from edge_client.adapters.data.source import DataError
from edge_client.adapters.outbox_store import PartKind, ResidualPart
from edge_client.core.events import ModelMeasured, Score, TrainingFailed, TrainingFinished, TrainingOrder
from edge_client.core.quantise import decode_residue, dequantise, encode_residue, quantise
from edge_client.litert.graph import RuntimeMissingError, TrainingGraph
from edge_client.litert.ir import ModelError
from edge_client.litert.training import (
    EVALUATION_SAMPLES_MAX,
    TrainingOutcome,
    TrainingPlan,
    evaluate,
    train,
)
from edge_client.protocol.chunks import blob_root, chunk_hash, split
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.model import Floats, decode_model, to_float
from edge_client.protocol.update import UpdateBody, update_root
from edge_client.runtime.clock import SystemClock
from edge_client.runtime.objects import ObjectStore

Report = Callable[[ModelMeasured | TrainingFinished | TrainingFailed], None]


@dataclass(frozen=True, slots=True)
class TrainerSetup:
    """What a trainer works with; `report` may be called from the trainer's thread."""

    public_key: bytes
    objects: ObjectStore
    data: OwnData
    threads: int
    report: Report


class Trainer:
    """Runs orders one after the other; a new order waits until a stopped one has let go."""

    def __init__(self, setup: TrainerSetup) -> None:
        self._setup = setup
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def start(self, genesis: Genesis, order: TrainingOrder, parts: Sequence[ResidualPart]) -> None:
        """Train in the background."""
        before, self._stop = self._thread, threading.Event()
        work = _Work(self._setup, genesis, order, tuple(parts), self._stop.is_set)

        def run() -> None:
            if before is not None:
                before.join()
            work.run()

        self._thread = threading.Thread(target=run, name="trainer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give the running order up, if there is one; it stops at its next step."""
        self._stop.set()

    def join(self, timeout_s: float) -> None:
        """Wait until the thread is gone, at most so long."""
        if self._thread is not None:
            self._thread.join(timeout_s)


@dataclass(frozen=True, slots=True)
class _Work:
    setup: TrainerSetup
    genesis: Genesis
    order: TrainingOrder
    parts: tuple[ResidualPart, ...]
    stopped: Callable[[], bool]

    def run(self) -> None:
        """Train and report; what the outside world got wrong is reported, our own bugs end the process."""
        try:
            result = self._train()
        except (DataError, ModelError, RuntimeMissingError, ValueError) as error:
            self.setup.report(TrainingFailed(self.order.round, str(error)))
            return
        if result is not None:
            self.setup.report(result)

    def _train(self) -> TrainingFinished | None:
        manifest = self.genesis.manifest
        data = self.setup.data.load(manifest, SystemClock().now_ms())
        graph = TrainingGraph.open(self.setup.objects.path(self.genesis.graph_root), self.setup.threads)
        if graph.manifest != manifest:
            raise ModelError("the training graph's manifest is not the one in genesis")
        initial, base = _score(graph, data), self._base()
        graph.set_weights(base)
        before = _score(graph, data)
        graph.reset_optimizer()
        shuffle = int.from_bytes(self.order.seed[:8], "big")
        plan = TrainingPlan(self.order.params.local_epochs, self.order.params.learning_rate, shuffle)
        outcome = train(graph, data.train, plan, self.stopped)
        if self.stopped():
            return None
        after = _score(graph, data)
        if initial is not None and before is not None and after is not None:
            measured = ModelMeasured(self.order, data.hold_out_count, initial, before, after)
            self.setup.report(measured)
        return self._write(graph.get_weights(), base, outcome)

    def _base(self) -> list[Floats]:
        data = self.setup.objects.get(self.order.model_root)
        if data is None:
            raise RuntimeError("the model of the round is not stored")
        manifest = self.genesis.manifest
        vector = to_float(decode_model(data, manifest.parameter_count), manifest.frac_bits)
        parts = np.split(vector, np.cumsum(manifest.sizes)[:-1])
        return [part.reshape(spec.dims) for part, spec in zip(parts, manifest.tensors, strict=True)]

    def _write(self, weights: list[Floats], base: list[Floats], outcome: TrainingOutcome) -> TrainingFinished:
        delta = [after - before for after, before in zip(weights, base, strict=True)]
        self._add_residual(delta)
        body, residue = quantise(delta, self.order.seed)
        encoded, left = body.encode(), encode_residue(residue)
        hashes = tuple(chunk_hash(piece) for piece in split(encoded))
        root = update_root(self.setup.public_key, self.order.round, len(encoded), hashes)
        self.setup.objects.put(root, encoded)
        self.setup.objects.put(blob_root(left), left)
        return TrainingFinished(
            round=self.order.round,
            update_root=root,
            size_bytes=len(encoded),
            chunk_hashes=hashes,
            residue_root=blob_root(left),
            consumed=tuple(part.root for part in self.parts),
            samples=outcome.samples,
            steps=outcome.steps_done,
            loss_before_micro=outcome.loss_before_micro,
            loss_after_micro=outcome.loss_after_micro,
        )

    def _add_residual(self, delta: list[Floats]) -> None:
        """Add every part that is young enough, in place; older ones are dropped by being consumed."""
        shapes = [tensor.dims for tensor in self.genesis.manifest.tensors]
        for part in self.parts:
            data = self.setup.objects.get(part.root)
            if data is None or part.freed_round < self.order.residual_round_min:
                continue
            if part.kind == PartKind.RESIDUE:
                tensors = decode_residue(data, shapes)
            else:
                tensors = dequantise(UpdateBody.decode(data, self.genesis.manifest.sizes), shapes)
            for total, tensor in zip(delta, tensors, strict=True):
                np.add(total, tensor, out=total)


def _score(graph: TrainingGraph, data: Loaded) -> Score | None:
    """How the graph's weights do on the hold-out; None while it is empty."""
    if data.hold_out is None:
        return None
    found = evaluate(graph, data.hold_out, EVALUATION_SAMPLES_MAX)
    return Score(found.accuracy, found.loss)
