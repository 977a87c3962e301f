"""Trains one round at a time in a thread of its own.

The TFLite runtime is imported when the first round is accepted, not before. Everything the work leaves behind
(body, residue, or the checkpoint of paused work) is on the disk as objects before the result is reported; a
kill at any moment merely leaves objects that nothing points to, and the round is trained again, from the last
checkpoint if there is one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from edge_client.adapters.checkpoint import TrainingCheckpoint, digest_of
from edge_client.adapters.data.own_data import Loaded, OwnData
from edge_client.adapters.data.source import DataError
from edge_client.adapters.memory_guard import MemoryGuard, ShortOfMemoryError
from edge_client.adapters.outbox_store import PartKind, ResidualPart
from edge_client.adapters.training_marker import TrainingMarker
from edge_client.core.conditions.memory import Held, MemoryReading
from edge_client.core.conditions.prediction import Cost
from edge_client.core.events import (
    ModelMeasured,
    Score,
    TrainingFailed,
    TrainingFinished,
    TrainingOrder,
    TrainingPaused,
)
from edge_client.core.quantise import decode_residue, dequantise, encode_residue, quantise
from edge_client.litert.graph import RuntimeMissingError, TrainingGraph
from edge_client.litert.ir import ModelError
from edge_client.litert.training import (
    EVALUATION_SAMPLES_MAX,
    Begun,
    TrainingOutcome,
    TrainingPlan,
    evaluate,
    train,
)
from edge_client.protocol.chunks import blob_root, chunk_hash, pieces
from edge_client.protocol.execution.checks import steps_asked
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.model import Floats, decode_model, to_float
from edge_client.protocol.update import UpdateBody, update_root
from edge_client.runtime.allocator import return_freed
from edge_client.runtime.clock import SystemClock
from edge_client.runtime.code_pages import LoadedCode
from edge_client.runtime.objects import ObjectStore

Report = Callable[[ModelMeasured | TrainingFinished | TrainingFailed | TrainingPaused], None]


class Meter(Protocol):
    """Says what the board spends; asked from the trainer's thread."""

    def energy_mj(self) -> int | None:
        """Of the whole board since any moment before; None without a meter."""
        ...

    def radio(self) -> tuple[int, int, int]:
        """Bytes up and down since the round before was finished, and mJ of the radio for them; the next
        question begins at zero."""
        ...


class Objects(Protocol):
    """Objects by root; an `ObjectStore`, or its twin in memory."""

    def get(self, root: bytes) -> bytes | None:
        """None when it is not there."""
        ...

    def put(self, root: bytes, data: bytes) -> None:
        """Keep it."""
        ...


class NoMeter:
    """A board that cannot say."""

    def energy_mj(self) -> int | None:
        """See `Meter`."""
        return None

    def radio(self) -> tuple[int, int, int]:
        """See `Meter`."""
        return 0, 0, 0


@dataclass(frozen=True, slots=True)
class TrainerSetup:
    """What a trainer works with; `report` may be called from the trainer's thread."""

    public_key: bytes
    objects: Objects
    data: OwnData
    threads: int
    report: Report
    meter: Meter = field(default_factory=NoMeter)
    guard: MemoryGuard = field(default_factory=lambda: MemoryGuard(0, MemoryReading, lambda _why: None))
    """Of memory; the default reads nothing and so is content."""
    marker: TrainingMarker | None = None
    open_graph: Callable[[bytes, int], TrainingGraph] | None = None
    """By its root and the number of threads; as it was published, whoever used it before. None: from its
    file, if the objects are files."""

    def graph(self, root: bytes) -> TrainingGraph:
        """The training graph; raises what `TrainingGraph.open` does, and `TypeError` when nobody says how."""
        if self.open_graph is not None:
            return self.open_graph(root, self.threads)
        if not isinstance(self.objects, ObjectStore):
            raise TypeError("objects that are not files need open_graph")
        return TrainingGraph.open(self.objects.path(root), self.threads)


@dataclass(frozen=True, slots=True)
class Job:
    """An order, what is given back by earlier ones, and the state of the work if it was interrupted."""

    order: TrainingOrder
    parts: tuple[ResidualPart, ...] = ()
    checkpoint_root: bytes | None = None


class Signal:
    """What the running work is asked to do before its next step; one for each job."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.pause = threading.Event()

    def given(self) -> bool:
        """Asked before every step: whether to end here."""
        return self.stop.is_set() or self.pause.is_set()


def train_now(setup: TrainerSetup, genesis: Genesis, job: Job) -> None:
    """Do the work of a job in the caller's thread, and report."""
    _Work(setup, genesis, job, Signal()).run_marked()


class Trainer:
    """Runs jobs one after the other; a new job waits until a stopped one has let go."""

    def __init__(self, setup: TrainerSetup, make_signal: Callable[[], Signal] = Signal) -> None:
        self._setup = setup
        self._make_signal = make_signal
        self._thread: threading.Thread | None = None
        self._signal = make_signal()
        self._code = LoadedCode()

    def start(self, genesis: Genesis, job: Job) -> None:
        """Train in the background."""
        before, self._signal = self._thread, self._make_signal()
        work = _Work(self._setup, genesis, job, self._signal)

        def run() -> None:
            if before is not None:
                before.join()
            work.run_marked()
            self._code.let_go()  # what follows needs other libraries than training
            return_freed()

        self._thread = threading.Thread(target=run, name="trainer", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether it is at work."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Give the running job up, if there is one; it stops at its next step."""
        self._signal.stop.set()

    def pause(self) -> None:
        """Stop the running job at its next step and keep what was done, for `Job.checkpoint_root`."""
        self._signal.pause.set()

    def join(self, timeout_s: float) -> None:
        """Wait until the thread is gone, at most so long."""
        if self._thread is not None:
            self._thread.join(timeout_s)


@dataclass(slots=True)
class _Work:
    setup: TrainerSetup
    genesis: Genesis
    job: Job
    signal: Signal
    worked: bool = False

    @property
    def order(self) -> TrainingOrder:
        return self.job.order

    def run_marked(self) -> None:
        """Train with the marker of it on the disk; not in a round that may kill the agent once more."""
        marker = self.setup.marker
        if marker is None:
            self.run()
            return
        refusal = marker.refusal(self.order.round)
        if refusal is not None:
            self.setup.report(TrainingFailed(self.order.round, refusal, worked=True))
            return
        marker.begin(self.order.round)
        try:
            self.run()
        finally:
            marker.end()

    def run(self) -> None:
        """Train and report; what the outside world got wrong is reported, our own bugs end the process."""
        guard = self.setup.guard
        guard.begin()
        try:
            result = self._train()
            while result is None and not self.signal.stop.is_set() and guard.relieve():
                result = self._train()
        except (DataError, ModelError, RuntimeMissingError, ShortOfMemoryError, ValueError) as error:
            self.setup.report(TrainingFailed(self.order.round, str(error), self.worked))
            return
        if result is not None:
            self.setup.report(result)

    def _train(self) -> TrainingFinished | TrainingPaused | None:
        """None when it was stopped, or memory was short."""
        manifest, guard = self.genesis.manifest, self.setup.guard
        data = self.setup.data.at_most(guard.samples_max).load(manifest, SystemClock().now_ms())
        graph = self.setup.graph(self.genesis.graph_root)
        if graph.manifest != manifest:
            raise ModelError("the training graph's manifest is not the one in genesis")
        plan, held = self._plan(len(data.train)), _held(data, manifest.batch)
        if guard.look(held):
            return None
        initial, base = _score(graph, data), self._base()
        graph.set_weights(base)
        before = _score(graph, data)
        graph.reset_optimizer()
        start = self._resumed(graph, data)
        watch = _Watch(self.setup.meter, start)
        begun = None if start is None else start.begun
        outcome = train(graph, data.train, plan, lambda: self._ends(held), begun)
        train_ms, energy_mj = watch.spent()
        if outcome.steps_done < plan.steps(len(data.train), manifest.batch):
            if not self.signal.pause.is_set() or self.signal.stop.is_set():
                return None
            begun = Begun(outcome.steps_done, outcome.loss_before_micro)
            return self._keep(begun, graph, data, (train_ms, energy_mj))
        after = _score(graph, data)
        if initial is not None and before is not None and after is not None:
            measured = ModelMeasured(self.order, data.hold_out_count, initial, before, after)
            self.setup.report(measured)
        finished = self._write(graph.get_weights(), base, outcome)
        cost = Cost(outcome.steps_done, train_ms, energy_mj, *self.setup.meter.radio())
        return replace(finished, cost=cost)

    def _ends(self, held: Held) -> bool:
        """Asked before every step."""
        self.worked = True
        return self.signal.given() or self.setup.guard.pressed(held)

    def _plan(self, samples: int) -> TrainingPlan:
        order, params = self.order, self.order.params
        plan = TrainingPlan(
            params.local_epochs,
            params.learning_rate,
            int.from_bytes(order.seed[:8], "big"),
            order.steps_max,
        )
        asked, steps = steps_asked(params, samples), plan.steps(samples, self.genesis.manifest.batch)
        if steps * 100 < params.partial_min_pct * asked:
            raise ValueError(
                f"{steps} of {asked} steps fit into the owner's limits, the chain takes"
                f" {params.partial_min_pct} % or more"
            )
        return plan

    def _resumed(self, graph: TrainingGraph, data: Loaded) -> TrainingCheckpoint | None:
        """Go back to where the work was interrupted; None when it must begin at the beginning."""
        root = self.job.checkpoint_root
        stored = None if root is None else self.setup.objects.get(root)
        checkpoint = None if stored is None else TrainingCheckpoint.decode(stored)
        if checkpoint is None or not checkpoint.fits(graph, digest_of(data.train)):
            return None
        checkpoint.restore(graph)
        self.job = replace(self.job, parts=checkpoint.parts)
        return checkpoint

    def _keep(
        self, begun: Begun, graph: TrainingGraph, data: Loaded, spent: tuple[int, int | None]
    ) -> TrainingPaused:
        checkpoint = TrainingCheckpoint(
            begun=begun,
            weights=tuple(graph.get_weights()),
            optimizer=tuple(graph.get_state()),
            samples_digest=digest_of(data.train),
            parts=self.job.parts,
            train_ms=spent[0],
            energy_mj=spent[1],
        )
        encoded = checkpoint.encode()
        root = blob_root(encoded)
        self.setup.objects.put(root, encoded)
        return TrainingPaused(self.order.round, root, begun.steps)

    def _base(self) -> list[Floats]:
        data = self.setup.objects.get(self.order.model_root)
        if data is None:
            raise RuntimeError("the model of the round is not stored")
        manifest = self.genesis.manifest
        vector = to_float(decode_model(data, manifest.parameter_count), manifest.frac_bits)
        parts = np.split(vector, np.cumsum(manifest.sizes)[:-1])
        return [part.reshape(spec.dims) for part, spec in zip(parts, manifest.tensors, strict=True)]

    def _write(self, weights: list[Floats], base: list[Floats], outcome: TrainingOutcome) -> TrainingFinished:
        """`weights` become the difference to the base, and what was left of earlier updates."""
        delta = [np.subtract(after, before, out=after) for after, before in zip(weights, base, strict=True)]
        self._add_residual(delta)
        body, residue = quantise(delta, self.order.seed)
        encoded, left = body.encode(), encode_residue(residue)
        residue_root = blob_root(left)
        hashes = tuple(chunk_hash(piece) for piece in pieces(encoded))
        root = update_root(self.setup.public_key, self.order.round, len(encoded), hashes)
        self.setup.objects.put(root, encoded)
        self.setup.objects.put(residue_root, left)
        return TrainingFinished(
            round=self.order.round,
            update_root=root,
            size_bytes=len(encoded),
            chunk_hashes=hashes,
            residue_root=residue_root,
            consumed=tuple(part.root for part in self.job.parts),
            samples=outcome.samples,
            steps=outcome.steps_done,
            loss_before_micro=outcome.loss_before_micro,
            loss_after_micro=outcome.loss_after_micro,
        )

    def _add_residual(self, delta: list[Floats]) -> None:
        """Add every part that is young enough, in place; older ones are dropped by being consumed."""
        shapes = [tensor.dims for tensor in self.genesis.manifest.tensors]
        for part in self.job.parts:
            data = self.setup.objects.get(part.root)
            if data is None or part.freed_round < self.order.residual_round_min:
                continue
            if part.kind == PartKind.RESIDUE:
                tensors = decode_residue(data, shapes)
            else:
                tensors = dequantise(UpdateBody.decode(data, self.genesis.manifest.sizes), shapes)
            for total, tensor in zip(delta, tensors, strict=True):
                np.add(total, tensor, out=total)


def _held(data: Loaded, batch: int) -> Held:
    count = len(data.train) + data.hold_out_count
    return Held(count, data.train.x.nbytes // max(1, count), batch)


def _score(graph: TrainingGraph, data: Loaded) -> Score | None:
    """How the graph's weights do on the hold-out; None while it is empty."""
    if data.hold_out is None:
        return None
    found = evaluate(graph, data.hold_out, EVALUATION_SAMPLES_MAX)
    return Score(found.accuracy, found.loss)


class _Watch:
    """Measures time and energy of the training, added to what earlier stretches of it took."""

    def __init__(self, meter: Meter, before: TrainingCheckpoint | None) -> None:
        self._meter = meter
        self._began_ns = time.monotonic_ns()
        self._began_mj = meter.energy_mj()
        self._ms = 0 if before is None else before.train_ms
        self._mj: int | None = 0 if before is None else before.energy_mj

    def spent(self) -> tuple[int, int | None]:
        """Milliseconds and millijoules so far; no energy if any stretch was not measured."""
        train_ms = self._ms + (time.monotonic_ns() - self._began_ns) // 1_000_000
        now_mj = self._meter.energy_mj()
        if now_mj is None or self._began_mj is None or self._mj is None:
            return train_ms, None
        return train_ms, self._mj + now_mj - self._began_mj
