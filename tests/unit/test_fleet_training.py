"""Devices of a fleet train with the agent's own work code, on shared data and a shared interpreter."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from broker.founding import ChainFiles
from edge_client.adapters.data.own_data import OwnData
from edge_client.adapters.memory_disk import MemoryDisk
from edge_client.adapters.outbox_store import PartKind, ResidualPart
from edge_client.core.events import TrainingFinished, TrainingOrder
from edge_client.core.quantise import encode_residue
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.training import Dataset, TrainingPlan, train
from edge_client.litert.zoo import dense_net
from edge_client.protocol.chunks import OBJECT_BYTES_MAX, blob_root
from edge_client.protocol.header import AppLeaves
from edge_client.protocol.keys import verify
from edge_client.runtime.objects import ObjectStore
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.fleet.founding import Founding
from firmware_profiles.fleet.shell import Objects
from firmware_profiles.fleet.training import RealTraining, SharedGraph
from firmware_profiles.fleet.work import Work, done
from firmware_profiles.lesson.shares import SHARES, ShareSource, read_shares, write_shares
from firmware_profiles.twin.members import members

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


def test_a_shared_graph_comes_as_from_the_file(tmp_path: Path) -> None:
    shared = SharedGraph(graph_file(tmp_path))
    graph = shared.open(b"", 1)
    first = graph.get_weights()
    train(graph, share(20), TrainingPlan(1, 0.5, 1), lambda: False)
    assert any(not np.array_equal(a, b) for a, b in zip(graph.get_weights(), first, strict=True))
    again = shared.open(b"", 1)
    assert again is graph
    for a, b in zip(again.get_weights(), first, strict=True):
        np.testing.assert_array_equal(a, b)


def some_work(files: ChainFiles, objects: Objects, lies: bool = False) -> Work:
    setup = replace(founding().device(members(founding().fleet)[3], files.chain_id, verify), lies=lies)
    app = AppLeaves(files.genesis.model_root, bytes(32), bytes(32), bytes(32))
    order = TrainingOrder(7, 0, files.genesis.model_root, files.genesis.params, b"s" * 32, 0, 1, app)
    objects.put(files.genesis.model_root, files.model)
    left = encode_residue([np.full(spec.dims, 0.01, np.float32) for spec in files.genesis.manifest.tensors])
    objects.put(blob_root(left), left)
    return Work(setup, files.genesis, order, objects, (ResidualPart(blob_root(left), PartKind.RESIDUE, 6),))


@cache
def founding() -> Founding:
    catalogue = read_catalogue()
    return Founding(catalogue.fleet("home").resized(10), catalogue, 5)


@pytest.mark.parametrize("lies", [False, True], ids=["honest", "liar"])
def test_a_device_learns_the_same_whichever_way_it_is_run(tmp_path: Path, lies: bool) -> None:
    """On files, as emulated ones do, and in memory, as simulated ones; the second after another's work."""
    path = graph_file(tmp_path)
    files = founding().chain(path.read_bytes())
    shares = [share(40)] * SHARES
    on_disk, in_memory = ObjectStore(tmp_path / "objects", OBJECT_BYTES_MAX), MemoryDisk().objects
    first = done(RealTraining(shares, SharedGraph(path)), some_work(files, on_disk, lies))
    train_too = RealTraining(shares, SharedGraph(files.graph))
    done(train_too, some_work(files, MemoryDisk().objects))
    second = done(train_too, some_work(files, in_memory, lies))
    assert isinstance(first[-1], TrainingFinished)
    assert isinstance(second[-1], TrainingFinished)
    assert replace(first[-1], cost=None) == replace(second[-1], cost=None)
    assert len(first[-1].consumed) == 1
    assert on_disk.get(first[-1].update_root) == in_memory.get(first[-1].update_root)
    assert on_disk.get(first[-1].residue_root) == in_memory.get(first[-1].residue_root)
    assert len(first) == (1 if lies else 2)
