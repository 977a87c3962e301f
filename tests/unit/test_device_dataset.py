from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_client.adapters.dataset import DatasetError, NpzSource, parse_source
from edge_client.litert.training import Dataset
from edge_client.protocol.manifest import Loss, Manifest
from tests.builders import TINY_MANIFEST

X, Y = np.zeros((4, 3), np.uint8), np.array([0, 1, 0, 1])


def load(folder: Path, manifest: Manifest = TINY_MANIFEST, **arrays: Any) -> Dataset:
    np.savez(folder / "data.npz", **arrays)
    return NpzSource(folder / "data.npz").load(manifest)


def test_bytes_stay_bytes(tmp_path: Path) -> None:
    data = load(tmp_path, x=X, y=Y)
    assert data.x.dtype == np.uint8
    assert data.y.dtype == np.int32
    assert len(data) == 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_become_float32(tmp_path: Path, dtype: type) -> None:
    assert load(tmp_path, x=X.astype(dtype), y=Y).x.dtype == np.float32


def test_targets_of_other_losses(tmp_path: Path) -> None:
    manifest = replace(TINY_MANIFEST, loss=Loss.MSE)
    assert load(tmp_path, manifest, x=X, y=np.ones((4, 2))).y.dtype == np.float32
    with pytest.raises(DatasetError, match=r"labels .* have shape \(4,\), not \(4, 2\)"):
        load(tmp_path, manifest, x=X, y=Y)


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (X[:, :2], Y, r"samples .* have shape \(2,\), the model takes \(3,\)"),
        (np.zeros(3, np.uint8), Y, r"have shape \(\), the model takes \(3,\)"),
        (np.uint8(1), Y, r"the model takes \(3,\)"),
        (X.astype(np.int64), Y, "'x' .* is int64"),
        (X[:0], Y[:0], "holds no samples"),
        (np.full((4, 3), np.nan, np.float32), Y, "not finite"),
        (X, Y[:3], r"4 samples, but labels of shape \(3,\)"),
        (X, np.int64(1), r"labels of shape \(\)"),
        (X, Y.astype(np.float32), "float32"),
        (X, np.eye(4, 2), "class numbers"),
        (X, Y + 1, "go from 1 to 2, the model's from 0 to 1"),
        (X, Y - 1, "go from -1 to 0"),
    ],
)
def test_each_mismatch_gets_one_sentence(tmp_path: Path, x, y, sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence) as error:
        load(tmp_path, x=x, y=y)
    assert "\n" not in str(error.value)


def test_files_that_are_no_archives(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    with pytest.raises(DatasetError, match="there is no data file"):
        NpzSource(path).load(TINY_MANIFEST)
    for content in (b"", b"rubbish", b"PK\x03\x04rubbish"):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match="cannot read the data file"):
            NpzSource(path).load(TINY_MANIFEST)
    with pytest.raises(DatasetError, match="lacks the array 'y'"):
        load(tmp_path, x=X)
    np.save(tmp_path / "one.npy", X)
    with pytest.raises(DatasetError):
        NpzSource(tmp_path / "one.npy").load(TINY_MANIFEST)


def test_pickles_are_never_run(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot read"):
        load(tmp_path, x=np.array([{"a": 1}], dtype=object), y=Y)


def test_sources(tmp_path: Path) -> None:
    assert parse_source("npz:a/b.npz", tmp_path).path == tmp_path / "a/b.npz"
    assert parse_source("npz:/data/b.npz", tmp_path).path == Path("/data/b.npz")
    for text in ("", "npz:", "csv:a", "/data/b.npz"):
        with pytest.raises(ValueError, match="npz:PATH"):
            parse_source(text, tmp_path)
