"""Interrupted training goes on to the bit-identical result: at every step, also in a new process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_client.adapters.checkpoint import TrainingCheckpoint, digest_of
from edge_client.adapters.checkpoint_store import CheckpointStore
from edge_client.adapters.device_database import open_device_database
from edge_client.adapters.outbox_store import PartKind, ResidualPart
from edge_client.adapters.trainer import Job, Signal, Trainer, TrainerSetup
from edge_client.core.events import (
    Interrupted,
    SaveCheckpoint,
    TrainingFailed,
    TrainingFinished,
    TrainingPaused,
)
from edge_client.core.quantise import encode_residue
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.optimizers import Optimizer
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.training import Begun, Dataset, TrainingPlan, train
from edge_client.litert.zoo import dense_net
from tests.integration.test_device_trainer import SIGNER, WAIT_S, Bench

STEPS, SAMPLES, BATCH = 9, 7, 3
PLAN = TrainingPlan(3, 0.05, 11)


def graph_bytes(optimizer: Optimizer) -> bytes:
    options = TrainingOptions(batch=BATCH, input_scale_den=255, optimizer=optimizer)
    return make_trainable(dense_net((4, 5, 3), seed=2), options)


def data() -> Dataset:
    random = np.random.default_rng(5)
    return Dataset(random.integers(0, 256, (SAMPLES, 4), dtype=np.uint8), random.integers(0, 3, SAMPLES))


def after(steps: int) -> Callable[[], bool]:
    """A `stop` that lets so many steps through."""
    left = [steps]

    def stop() -> bool:
        left[0] -= 1
        return left[0] < 0

    return stop


def bits(graph: TrainingGraph) -> bytes:
    return b"".join(one.tobytes() for one in (*graph.get_weights(), *graph.get_state()))


def interrupted(content: bytes, step: int) -> bytes:
    """A checkpoint after `step` steps, as bytes."""
    graph = TrainingGraph.open(content)
    graph.reset_optimizer()
    outcome = train(graph, data(), PLAN, after(step))
    assert outcome.steps_done == step
    begun = Begun(step, outcome.loss_before_micro)
    weights, state = tuple(graph.get_weights()), tuple(graph.get_state())
    return TrainingCheckpoint(begun, weights, state, digest_of(data()), (), 5, None).encode()


def resumed(content: bytes, checkpoint: bytes) -> tuple[bytes, int, int]:
    """What training from the checkpoint leads to."""
    graph, restored = TrainingGraph.open(content), TrainingCheckpoint.decode(checkpoint)
    assert restored is not None
    assert restored.fits(graph, digest_of(data()))
    restored.restore(graph)
    outcome = train(graph, data(), PLAN, lambda: False, restored.begun)
    return bits(graph), outcome.loss_before_micro, outcome.loss_after_micro


@pytest.mark.parametrize("optimizer", list(Optimizer))
def test_every_interruption_leads_to_the_same_bits(optimizer: Optimizer) -> None:
    content = graph_bytes(optimizer)
    graph = TrainingGraph.open(content)
    graph.reset_optimizer()
    outcome = train(graph, data(), PLAN, lambda: False)
    assert outcome.steps_done == STEPS
    expected = bits(graph), outcome.loss_before_micro, outcome.loss_after_micro
    for step in range(STEPS):
        assert resumed(content, interrupted(content, step)) == expected, step
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.starmap(resumed, [(content, interrupted(content, step)) for step in range(STEPS)])
    assert found == [expected] * STEPS, "in a new process"


def pause_at(bench: Bench, job: Job, steps: int) -> TrainingPaused:
    """Run the job with a trainer that is told to pause after so many steps."""
    let = after(steps)

    class Told(Signal):
        def given(self) -> bool:
            if let():
                self.pause.set()
            return super().given()

    Trainer(TrainerSetup(SIGNER.public_key, bench.objects, bench.own, 1, bench.report), Told).start(
        bench.genesis, job
    )
    result = bench.results.get(timeout=WAIT_S)
    assert isinstance(result, TrainingPaused), result
    return result


def test_the_trainer_pauses_and_goes_on_to_the_same_update(tmp_path: Path) -> None:
    """Several times in one round, with a residual, and a part of it that came only later."""
    bench = Bench(tmp_path)
    residue = encode_residue([np.full(shape, 0.25, np.float32) for shape in bench.shapes])
    bench.objects.put(b"r" * 32, residue)
    parts = (ResidualPart(b"r" * 32, PartKind.RESIDUE, 1),)
    whole = bench.finished(bench.order(), parts)
    root, steps = None, 0
    for more in (1, 0, 4, 6):
        later = () if root is None else (ResidualPart(b"n" * 32, PartKind.RESIDUE, 1),)
        found = pause_at(bench, Job(bench.order(), (*parts, *later), root), more)
        steps += more
        assert found.steps == steps
        root = found.checkpoint_root
    bench.trainer.start(bench.genesis, Job(bench.order(), (), root))
    again = bench.results.get(timeout=WAIT_S)
    assert isinstance(again, TrainingFinished)
    assert replace(again, cost=None) == replace(whole, cost=None)


def test_other_samples_begin_the_round_anew(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    root = pause_at(bench, Job(bench.order()), 5).checkpoint_root
    with np.load(bench.data_file) as held:
        np.savez(bench.data_file, x=held["x"][:40], y=held["y"][:40])
    anew = bench.finished(bench.order())
    bench.trainer.start(bench.genesis, Job(bench.order(), (), root))
    found = bench.results.get(timeout=WAIT_S)
    assert isinstance(found, TrainingFinished)
    assert replace(found, cost=None) == replace(anew, cost=None)


def test_a_checkpoint_that_cannot_be_read_begins_the_round_anew(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.objects.put(b"b" * 32, b"PK\x03\x04 rubbish")
    bench.trainer.start(bench.genesis, Job(bench.order(), (), b"b" * 32))
    assert isinstance(bench.results.get(timeout=WAIT_S), TrainingFinished)
    assert TrainingCheckpoint.decode(b"") is None


def test_work_that_does_not_fit_is_done_in_part_or_not_begun(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    part = bench.finished(replace(bench.order(), steps_max=8))
    assert part.steps == 8
    assert part.cost is not None
    assert part.cost.steps == 8
    refused = bench.run(replace(bench.order(), steps_max=1))
    assert isinstance(refused, TrainingFailed)
    assert "1 of 15 steps fit" in refused.why


def test_the_store_keeps_one_piece_of_work_and_its_order(tmp_path: Path) -> None:
    bench, database = Bench(tmp_path), open_device_database(tmp_path)
    store = CheckpointStore(database, bench.objects)
    assert store.get() is None
    for root, steps_max in ((b"1" * 32, None), (b"2" * 32, 77)):
        bench.objects.put(root, b"state")
        work = Interrupted(replace(bench.order(3), steps_max=steps_max), root)
        store.save(SaveCheckpoint(work))
        assert store.get() == work
    assert bench.objects.get(b"1" * 32) is None, "replaced"
    store.save(SaveCheckpoint(None))
    assert (store.get(), bench.objects.get(b"2" * 32)) == (None, None)
    database.close()
