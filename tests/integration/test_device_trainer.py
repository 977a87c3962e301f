"""The trainer with a real TFLite runtime: from an order to a stored update and its residue."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from pathlib import Path
from queue import Queue

import numpy as np
import pytest

from edge_client.adapters.data.hold_out import is_held_out
from edge_client.adapters.data.npz_file import NpzFile
from edge_client.adapters.data.own_data import OwnData
from edge_client.adapters.data.source import Raw, Request
from edge_client.adapters.outbox_store import PartKind, ResidualPart
from edge_client.adapters.trainer import Job, Trainer, TrainerSetup
from edge_client.core.events import (
    ModelMeasured,
    TrainingFailed,
    TrainingFinished,
    TrainingOrder,
    TrainingPaused,
)
from edge_client.core.quantise import decode_residue, dequantise, encode_residue
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.training import evaluate
from edge_client.litert.zoo import dense_net
from edge_client.protocol.chunks import blob_root, chunk_hash, split
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.header import AppLeaves
from edge_client.protocol.model import encode_model, model_root, to_fixed, to_float
from edge_client.protocol.update import UpdateBody, update_root_of
from edge_client.runtime.objects import ObjectStore
from tests.builders import make_genesis, make_params, make_signers

WAIT_S = 60
(SIGNER,) = make_signers(1, "device")


class Bench:
    """A graph, a model and 50 samples on disk."""

    def __init__(self, folder: Path) -> None:
        graph = make_trainable(dense_net((6, 8, 3), 1), TrainingOptions(batch=10, input_scale_den=255))
        manifest = TrainingGraph.open(graph).manifest
        weights = np.concatenate([one.ravel() for one in TrainingGraph.open(graph).get_weights()])
        self.model = to_fixed(weights, manifest.frac_bits)
        data = encode_model(self.model)
        self.genesis: Genesis = make_genesis(
            manifest=manifest,
            graph_root=blob_root(graph),
            graph_bytes=len(graph),
            model_root=model_root(data),
            params=make_params(local_epochs=3, batch=10, learning_rate_q20=1 << 19),
        )
        self.objects = ObjectStore(folder / "objects", 1 << 20)
        self.objects.put(self.genesis.graph_root, graph)
        self.objects.put(self.genesis.model_root, data)
        self.data_file = folder / "data.npz"
        random = np.random.default_rng(5)
        y = random.integers(0, 3, 50)
        x = random.integers(0, 100, (50, 6), dtype=np.uint8) + (y[:, None] * 60).astype(np.uint8)
        np.savez(self.data_file, x=x, y=y)
        self.results: Queue[TrainingFinished | TrainingFailed | TrainingPaused] = Queue()
        self.measured: list[ModelMeasured] = []
        self.own = OwnData(NpzFile(self.data_file))
        self.trainer = Trainer(TrainerSetup(SIGNER.public_key, self.objects, self.own, 1, self.report))

    def report(self, result: ModelMeasured | TrainingFinished | TrainingFailed | TrainingPaused) -> None:
        if isinstance(result, ModelMeasured):
            self.measured.append(result)
        else:
            self.results.put(result)

    def order(self, round_number: int = 1) -> TrainingOrder:
        return TrainingOrder(
            round=round_number,
            base_height=0,
            model_root=self.genesis.model_root,
            params=self.genesis.params,
            seed=bytes([round_number]) * 32,
            residual_round_min=max(0, round_number - 8),
            head_height=round_number,
            app=AppLeaves(self.genesis.model_root, bytes(32), bytes(32), bytes(32)),
        )

    def run(
        self, order: TrainingOrder, parts: tuple[ResidualPart, ...] = ()
    ) -> TrainingFinished | TrainingFailed:
        self.trainer.start(self.genesis, Job(order, parts))
        result = self.results.get(timeout=WAIT_S)
        assert not isinstance(result, TrainingPaused)
        return result

    def finished(self, order: TrainingOrder, parts: tuple[ResidualPart, ...] = ()) -> TrainingFinished:
        result = self.run(order, parts)
        assert isinstance(result, TrainingFinished), result
        return result

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [tensor.dims for tensor in self.genesis.manifest.tensors]

    def learned(self, result: TrainingFinished) -> np.ndarray:
        """Update plus residue, as one vector."""
        body = UpdateBody.decode(self.need(result.update_root), self.genesis.manifest.sizes)
        back, left = (
            dequantise(body, self.shapes),
            decode_residue(self.need(result.residue_root), self.shapes),
        )
        return np.concatenate([(a + b).ravel() for a, b in zip(back, left, strict=True)])

    def need(self, root: bytes) -> bytes:
        data = self.objects.get(root)
        assert data is not None
        return data


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_an_order_becomes_an_update(bench: Bench) -> None:
    result = bench.finished(bench.order())
    assert (result.samples, result.steps) == (len(bench.own.load(bench.genesis.manifest, 0).train), 15)
    assert 40 <= result.samples < 50, "a tenth is never trained on"
    assert result.loss_after_micro < result.loss_before_micro
    body = bench.need(result.update_root)
    assert len(body) == result.size_bytes
    assert update_root_of(SIGNER.public_key, 1, body) == result.update_root
    assert result.chunk_hashes == tuple(chunk_hash(piece) for piece in split(body))
    assert np.abs(bench.learned(result)).max() > 0.01


def test_the_update_moves_the_base_to_where_training_led(bench: Bench) -> None:
    graph = TrainingGraph.open(bench.need(bench.genesis.graph_root))
    vector = to_float(bench.model, bench.genesis.manifest.frac_bits) + bench.learned(
        bench.finished(bench.order())
    )
    parts = np.split(vector, np.cumsum(bench.genesis.manifest.sizes)[:-1])
    graph.set_weights(
        [part.reshape(dims).astype(np.float32) for part, dims in zip(parts, bench.shapes, strict=True)]
    )
    data = bench.own.load(bench.genesis.manifest, 0).train
    again = bench.finished(bench.order())
    assert round(evaluate(graph, data).loss * 1e6) == pytest.approx(again.loss_after_micro, rel=1e-3)


def test_the_same_order_gives_the_same_bytes(bench: Bench) -> None:
    first, again = (replace(bench.finished(bench.order()), cost=None) for _ in range(2))
    assert first == again


def test_residual_parts_are_added_and_named(bench: Bench) -> None:
    alone = bench.learned(bench.finished(bench.order(9)))
    residue = encode_residue([np.full(shape, 0.25, np.float32) for shape in bench.shapes])
    bench.objects.put(b"r" * 32, residue)
    refused = UpdateBody((-3,) * len(bench.shapes), np.full(alone.size, 4, np.int8))
    bench.objects.put(b"u" * 32, refused.encode())
    bench.objects.put(b"o" * 32, residue)
    parts = (
        ResidualPart(b"o" * 32, PartKind.RESIDUE, 0),
        ResidualPart(b"r" * 32, PartKind.RESIDUE, 1),
        ResidualPart(b"u" * 32, PartKind.UPDATE, 8),
    )
    result = bench.finished(bench.order(9), parts)
    np.testing.assert_allclose(bench.learned(result) - alone, 0.25 + 0.5, atol=1e-5)
    assert result.consumed == (b"o" * 32, b"r" * 32, b"u" * 32), "what is too old goes, too"


def test_a_stopped_order_reports_nothing_and_the_next_one_runs(bench: Bench) -> None:
    long = replace(bench.order(), params=replace(bench.genesis.params, local_epochs=255))
    bench.trainer.start(bench.genesis, Job(long))
    bench.trainer.stop()
    result = bench.finished(bench.order(2))
    assert result.round == 2
    assert bench.results.empty()


def test_joining_waits_for_the_thread(bench: Bench) -> None:
    bench.trainer.join(0)
    bench.finished(bench.order())
    bench.trainer.join(WAIT_S)
    assert not any(thread.name == "trainer" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("x", "y", "why"),
    [
        (np.zeros((5, 7), np.uint8), np.zeros(5, np.int64), r"shape \(7,\), the model takes \(6,\)"),
        (np.zeros((5, 6), np.int64), np.zeros(5, np.int64), "int64"),
        (np.zeros((5, 6), np.uint8), np.full(5, 3), "3 to 3"),
    ],
)
def test_data_that_do_not_fit_are_reported(bench: Bench, x: np.ndarray, y: np.ndarray, why: str) -> None:
    np.savez(bench.data_file, x=x, y=y)
    result = bench.run(bench.order())
    assert isinstance(result, TrainingFailed)
    assert re.search(why, result.why)
    assert not result.worked, "no step was done: it is none of the owner's rounds of a day"


def test_three_models_are_measured_on_what_nobody_trained_on(bench: Bench) -> None:
    better = to_float(bench.model, bench.genesis.manifest.frac_bits) + bench.learned(
        bench.finished(bench.order())
    )
    data = encode_model(to_fixed(better.astype(np.float32), bench.genesis.manifest.frac_bits))
    bench.objects.put(model_root(data), data)
    order = replace(bench.order(2), model_root=model_root(data))
    bench.finished(order)
    first, second = bench.measured
    loaded = bench.own.load(bench.genesis.manifest, 0)
    assert first.samples == second.samples == loaded.hold_out_count > 0
    assert second.order is order
    assert first.initial == second.initial
    assert first.model.loss == pytest.approx(first.initial.loss, rel=1e-6), (
        "the first round starts from the chain's first model, up to its rounding"
    )
    assert second.model.loss < second.initial.loss
    assert second.model.loss == pytest.approx(first.own.loss, rel=1e-3), (
        "what was learned, up to its rounding"
    )
    assert loaded.hold_out is not None
    graph = TrainingGraph.open(bench.need(bench.genesis.graph_root))
    assert evaluate(graph, loaded.hold_out).loss == first.initial.loss


def test_nothing_is_measured_without_a_hold_out(bench: Bench) -> None:
    x = np.array([[one] * 6 for one in range(9)], np.uint8)
    x = np.stack([row for row in x if not is_held_out(row)])
    np.savez(bench.data_file, x=x, y=np.zeros(len(x), np.int64))
    bench.finished(bench.order())
    assert bench.measured == []


def test_data_that_vanish_while_training_are_not_missed_before_the_next_round(bench: Bench) -> None:
    """They are in memory by then; the next round is left out with a reason, until they are back."""
    away = bench.data_file.with_suffix(".away")
    source = bench.own.source

    class Watched:
        """The same source, gone as soon as it was read."""

        text = source.text
        there = source.there

        def read(self, request: Request) -> Raw:
            raw = source.read(request)
            bench.data_file.rename(away)
            return raw

    setup = TrainerSetup(SIGNER.public_key, bench.objects, OwnData(Watched()), 1, bench.report)
    Trainer(setup).start(bench.genesis, Job(bench.order()))
    assert isinstance(bench.results.get(timeout=WAIT_S), TrainingFinished)
    left_out = bench.run(bench.order(2))
    assert isinstance(left_out, TrainingFailed)
    assert "there is no data file" in left_out.why
    away.rename(bench.data_file)
    bench.finished(bench.order(3))


def test_a_graph_that_is_none_is_reported(bench: Bench) -> None:
    bench.objects.put(bench.genesis.graph_root, b"not a model")
    result = bench.run(bench.order())
    assert isinstance(result, TrainingFailed)


def test_a_training_that_diverges_is_reported(bench: Bench) -> None:
    """A softmax network hardly diverges; a residue of infinities stands for it."""
    endless = encode_residue([np.full(shape, np.inf, np.float32) for shape in bench.shapes])
    bench.objects.put(b"i" * 32, endless)
    result = bench.run(bench.order(), (ResidualPart(b"i" * 32, PartKind.RESIDUE, 1),))
    assert isinstance(result, TrainingFailed)
    assert "diverged" in result.why
    assert result.worked
