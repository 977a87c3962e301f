"""Samples without labels out of a file, for `predict`."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from edge_client.adapters.data.csv_file import LINE_CHARS_MAX, delimiter_of
from edge_client.adapters.data.images import ImageError, read_image
from edge_client.adapters.data.rows import as_sample
from edge_client.adapters.data.source import SAMPLES_MAX, Array, DataError


def read_samples(path: Path, dims: tuple[int, ...]) -> Iterator[Array]:
    """The samples of a .npz (array `x`), .npy, .csv (a label behind the values is ignored) or picture file.

    Raises `DataError`.
    """
    try:
        found = list(_rows(path, dims)) if path.suffix == ".csv" else _arrays(path, dims)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, csv.Error, ImageError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    for sample in found:
        shaped = as_sample(sample, dims)
        if shaped is None:
            raise DataError(f"a sample in {path} has shape {sample.shape}, the model takes {dims}")
        yield shaped


def _arrays(path: Path, dims: tuple[int, ...]) -> list[Array]:
    if path.suffix == ".npz":
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            if "x" not in archive.files:
                raise DataError(f"{path} lacks the array 'x'")
            return list(archive["x"])
    array = read_image(path, dims)
    return [array] if as_sample(array, dims) is not None else list(np.atleast_1d(array))


def _rows(path: Path, dims: tuple[int, ...]) -> Iterator[Array]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        delimiter = delimiter_of(file.readline(LINE_CHARS_MAX))
        file.seek(0)
        for number, cells in enumerate(csv.reader(file, delimiter=delimiter), 1):
            if number > SAMPLES_MAX:
                raise DataError(f"{path} has more than {SAMPLES_MAX} lines")
            try:
                yield np.array([float(cell) for cell in cells[: prod(dims)]], np.float32)
            except ValueError:
                if number > 1:
                    raise DataError(f"line {number} of {path} holds what is no number") from None
