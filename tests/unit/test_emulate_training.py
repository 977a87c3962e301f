"""Emulated devices train with the agent's own work code, on shared data and a shared interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_client.adapters.data.own_data import OwnData
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.training import Dataset, TrainingPlan, train
from edge_client.litert.zoo import dense_net
from firmware_profiles.emulate.graphs import GraphPool
from firmware_profiles.lesson.shares import ShareSource, read_shares, write_shares

PIXELS, CLASSES = 8, 3


def share(count: int) -> Dataset:
    draw = np.random.Generator(np.random.PCG64(1))
    return Dataset(
        draw.integers(0, 16, (count, PIXELS), np.uint8), draw.integers(0, CLASSES, count, np.int32)
    )


def graph_file(folder: Path) -> Path:
    options = TrainingOptions(batch=4, input_scale_num=1, input_scale_den=16)
    path = folder / "graph"
    path.write_bytes(make_trainable(dense_net((PIXELS, CLASSES), 1), options))
    return path


def test_as_many_samples_are_trained_on_as_the_board_has(tmp_path: Path) -> None:
    manifest = TrainingGraph.open(graph_file(tmp_path)).manifest
    for samples in (20, 60, 250):
        loaded = OwnData(ShareSource(share(60), samples)).load(manifest, 0)
        assert len(loaded.train) == samples
        assert loaded.hold_out is not None


def test_shares_are_the_same_in_another_process(tmp_path: Path) -> None:
    write_shares(tmp_path / "shares.npz", (share(5), share(7)))
    found = read_shares(tmp_path / "shares.npz")
    assert [len(one) for one in found] == [5, 7]
    np.testing.assert_array_equal(found[1].x, share(7).x)
    np.testing.assert_array_equal(found[1].y, share(7).y)


def test_a_graph_from_the_pool_is_as_from_the_file(tmp_path: Path) -> None:
    path, pool = graph_file(tmp_path), GraphPool()
    graph = pool.open(path, 1)
    first = graph.get_weights()
    train(graph, share(20), TrainingPlan(1, 0.5, 1), lambda: False)
    assert any(not np.array_equal(a, b) for a, b in zip(graph.get_weights(), first, strict=True))
    again = pool.open(path, 1)
    assert again is graph
    for a, b in zip(again.get_weights(), first, strict=True):
        np.testing.assert_array_equal(a, b)
