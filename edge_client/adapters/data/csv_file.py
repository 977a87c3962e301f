"""`csv:PATH`: one sample a line, numbers only, the label in the last column or in a named one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from edge_client.adapters.data.rows import Rows
from edge_client.adapters.data.source import (
    Array,
    DataError,
    Raw,
    Rejects,
    Request,
    check_plain_file,
    unreadable,
)

PREFIX = "csv:"
DELIMITERS = ",;\t"
LINE_CHARS_MAX = 1 << 22
NOT_UTF8 = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A file that may grow at its end. A first line with text is a header; `label_column` and `time_column`
    are names in it, empty for "the last" and "none"."""

    path: Path
    label_column: str = ""
    time_column: str = ""

    @property
    def text(self) -> str:
        """See `Source`."""
        return f"{PREFIX}{self.path}"

    def there(self) -> bool:
        """See `Source`."""
        return self.path.is_file()

    def read(self, request: Request) -> Raw:
        """See `Source`."""
        check_plain_file(self.path)
        rows = Rows(str(self.path), request)
        try:
            # Bytes that a power cut or a worn-out card left spoil their own line, not the table.
            with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
                first = file.readline(LINE_CHARS_MAX)
                if NOT_UTF8 in first:
                    raise DataError(
                        f"cannot read the data file {self.path}: its first line is not UTF-8 text"
                    )
                delimiter = delimiter_of(first)
                names = _cells(first, delimiter)
                header = names if is_header(names) else []
                columns = self._columns(header, len(names), request)
                if not header:
                    file.seek(0)
                lines = _whole_lines(file, rows.rejects, int(bool(header)))
                for number, line in lines:
                    columns.take(rows, f"line {number}", _cells(line, delimiter))
        except FileNotFoundError:
            raise DataError(f"there is no data file {self.path}; data.source names it") from None
        except OSError as error:
            raise unreadable(self.path, error) from error
        return rows.finish(timed=bool(self.time_column))

    def _columns(self, header: list[str], count: int, request: Request) -> _Columns:
        outputs = 1 if request.by_class else request.manifest.outputs
        if self.label_column and outputs > 1:
            raise DataError(
                f"the model has {outputs} outputs: they are the last columns; leave out data.label_column"
            )
        time = [self._find(header, self.time_column)] if self.time_column else []
        others = [index for index in range(count) if index not in time]
        labels = [self._find(header, self.label_column)] if self.label_column else others[-outputs:]
        samples = [index for index in others if index not in labels]
        return _Columns(request, tuple(samples), tuple(labels), time[0] if time else None, count)

    def _find(self, header: list[str], name: str) -> int:
        if not header:
            raise DataError(f"{self.path} has no header line, so it has no column '{name}'")
        if name not in header:
            raise DataError(f"{self.path} has no column '{name}'; its columns are {', '.join(header)[:200]}")
        return header.index(name)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a line's sample, label and time stand."""

    request: Request
    samples: tuple[int, ...]
    labels: tuple[int, ...]
    time: int | None
    count: int

    def take(self, rows: Rows, where: str, cells: list[str]) -> None:
        if not cells:
            return
        if len(cells) != self.count:
            rows.rejects.add(f"a line does not have {self.count} columns", where)
            return
        try:
            sample = np.array([float(cells[index]) for index in self.samples], np.float32)
            time_s = None if self.time is None else float(cells[self.time])
        except ValueError:
            rows.rejects.add("a cell is not a number", where)
            return
        label = self._label([cells[index] for index in self.labels])
        if label is None:
            rows.rejects.add("the label is neither a class number nor a name in data.classes", where)
            return
        rows.add(where, sample, label, time_s)

    def _label(self, cells: list[str]) -> Array | None:
        if self.request.by_class:
            number = self.request.class_number(cells[0].strip())
            return None if number is None else np.array(number)
        try:
            return np.array([float(cell) for cell in cells], np.float32)
        except ValueError:
            return None


def delimiter_of(line: str) -> str:
    """What separates the cells of a table with this line."""
    return max(DELIMITERS, key=line.count)


def is_header(cells: list[str]) -> bool:
    """Whether no cell but perhaps the last (a label may be a name) is a number."""
    return bool(cells) and not any(_is_number(cell) for cell in cells[:-1] or cells)


def _cells(line: str, delimiter: str) -> list[str]:
    """The cells of a line; one that is no line of a table (NUL bytes, endless cells) is one cell."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _whole_lines(file: TextIO, rejects: Rejects, before: int) -> Iterator[tuple[int, str]]:
    """Lines with their numbers. The last one may still be being written: without its end it is left out."""
    number = before
    while text := file.readline(LINE_CHARS_MAX):
        number += 1
        if text.endswith("\n"):
            yield number, text
        else:
            rejects.add("a line without an end, as if it were still being written", f"line {number}")
