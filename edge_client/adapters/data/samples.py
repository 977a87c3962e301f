"""Samples without labels out of a file, for `predict`."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from edge_client.adapters.data.csv_file import LINE_CHARS_MAX, delimiter_of, is_header
from edge_client.adapters.data.images import ImageError, read_image
from edge_client.adapters.data.rows import as_sample
from edge_client.adapters.data.source import (
    SAMPLES_MAX,
    UNREADABLE,
    Array,
    DataError,
    check_plain_file,
    unreadable,
)


@dataclass(frozen=True, slots=True)
class Beside:
    """What a table may hold beside a sample's values: columns with these names, and so many labels behind."""

    columns: frozenset[str] = frozenset()
    labels: int = 1


def read_samples(path: Path, dims: tuple[int, ...], beside: Beside) -> Iterator[Array]:
    """The samples of a .npz (array `x`), .npy, .csv or picture file. Raises `DataError`."""
    check_plain_file(path)
    try:
        found = list(_rows(path, prod(dims), beside)) if path.suffix == ".csv" else _arrays(path, dims)
    except (csv.Error, ImageError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    except UNREADABLE as error:
        raise unreadable(path, error) from error
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


def _rows(path: Path, count: int, beside: Beside) -> Iterator[Array]:
    left_out: set[int] = set()
    with path.open(encoding="utf-8-sig", newline="") as file:
        delimiter = delimiter_of(file.readline(LINE_CHARS_MAX))
        file.seek(0)
        for number, cells in enumerate(csv.reader(file, delimiter=delimiter), 1):
            if number > SAMPLES_MAX:
                raise DataError(f"{path} has more than {SAMPLES_MAX} lines")
            if number == 1 and is_header(cells):
                left_out = {index for index, name in enumerate(cells) if name in beside.columns}
                continue
            values = [cell for index, cell in enumerate(cells) if index not in left_out]
            if values and len(values) not in (count, count + beside.labels):
                raise DataError(
                    f"line {number} of {path} has {len(values)} columns, the model takes {count} values; "
                    "beside them may stand a label, as the last, and with --state what data.time_column names"
                )
            if values:
                yield _sample(values[:count], f"line {number} of {path}")


def _sample(cells: list[str], where: str) -> Array:
    try:
        return np.array([float(cell) for cell in cells], np.float32)
    except ValueError:
        raise DataError(f"{where} holds what is no number") from None
