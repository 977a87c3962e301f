"""`folder:PATH`: a sub-folder for each class, a file for each sample; its time of change is its time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path

import numpy as np

from edge_client.adapters.data.images import ImageError, read_image
from edge_client.adapters.data.rows import Rows
from edge_client.adapters.data.source import SAMPLES_MAX, DataError, DataUnreadyError, Raw, Request

PREFIX = "folder:"


@dataclass(frozen=True, slots=True)
class ClassFolder:
    """Sub-folders are named by class number or, with `data.classes`, by class; without it, as many
    sub-folders as the model has classes are numbered in the order of their names."""

    path: Path

    @property
    def text(self) -> str:
        """See `Source`."""
        return f"{PREFIX}{self.path}"

    def there(self) -> bool:
        """See `Source`."""
        return self.path.is_dir()

    def read(self, request: Request) -> Raw:
        """See `Source`."""
        if not request.by_class:
            raise DataError(
                f"{self.path} has a folder for each class, but the chain's model learns values; use npz:"
            )
        try:
            numbers = self._numbers(request)
            files = [one for folder, number in numbers.items() for one in _files(folder, number)]
        except FileNotFoundError as error:
            raise DataError(f"there is no data folder {error.filename}; data.source names it") from None
        except NotADirectoryError:
            raise DataError(f"{self.path} is no folder; a single file is npz: or csv:") from None
        except OSError as error:
            raise DataError(f"cannot read the data folder {self.path}: {error.strerror}") from error
        return self._load(files, request)

    def _numbers(self, request: Request) -> dict[Path, int]:
        """The class of each sub-folder; raises `DataError`."""
        names = sorted(
            one.name for one in self.path.iterdir() if one.is_dir() and not one.name.startswith(".")
        )
        if not names:
            raise DataUnreadyError(f"{self.path} has no sub-folders; it needs one for each class")
        numbers = {name: request.class_number(name) for name in names}
        unknown = [name for name, number in numbers.items() if number is None]
        count = request.manifest.outputs
        if len(unknown) == len(names) == count and not request.classes:
            return {self.path / name: number for number, name in enumerate(names)}
        if unknown:
            raise DataError(
                f"sub-folder '{unknown[0]}' of {self.path} names no class: name it 0 to {count - 1}, "
                "or list the names of all classes in data.classes"
            )
        return {self.path / name: number for name, number in numbers.items() if number is not None}

    def _load(self, files: list[tuple[float, str, int]], request: Request) -> Raw:
        window = request.window
        since_s = window.since_s
        newest = nlargest(
            window.keep_samples or SAMPLES_MAX,
            (one for one in files if since_s is None or one[0] >= since_s),
        )
        rows = Rows(str(self.path), request)
        for time_s, name, number in reversed(newest):
            try:
                sample = read_image(Path(name), request.manifest.input_dims)
            except ImageError as error:
                rows.rejects.add(str(error), name)
            else:
                rows.add(name, sample, np.array(number), time_s)
        return rows.finish(timed=True)


def _files(folder: Path, number: int) -> Iterator[tuple[float, str, int]]:
    """Time of change, name and class of each file; one that is deleted meanwhile is left out."""
    for file in folder.iterdir():
        if file.is_file() and not file.name.startswith("."):
            with suppress(FileNotFoundError):
                yield file.stat().st_mtime, str(file), number
