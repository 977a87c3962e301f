"""The text of `data.source` to a source."""

from __future__ import annotations

from pathlib import Path

from edge_client.adapters.data import class_folder, csv_file, npz_file, python_call
from edge_client.adapters.data.class_folder import ClassFolder
from edge_client.adapters.data.csv_file import CsvFile
from edge_client.adapters.data.npz_file import NpzFile
from edge_client.adapters.data.python_call import FILE_SUFFIX, PythonCall
from edge_client.adapters.data.source import Source

FORMS = "npz:PATH, csv:PATH, folder:PATH or python:MODULE:CALLABLE"


def parse_source(text: str, folder: Path, *, label_column: str = "", time_column: str = "") -> Source:
    """The source that the text names, paths relative to `folder`; raises `ValueError` with one sentence."""
    prefix, _, rest = text.partition(":")
    prefix += ":"
    path = folder / Path(rest).expanduser()
    if rest and prefix == npz_file.PREFIX:
        return NpzFile(path)
    if rest and prefix == csv_file.PREFIX:
        return CsvFile(path, label_column, time_column)
    if rest and prefix == class_folder.PREFIX:
        return ClassFolder(path)
    module, _, name = rest.rpartition(":")
    if prefix == python_call.PREFIX and module and name.isidentifier():
        file = folder / Path(module).expanduser() if module.endswith(FILE_SUFFIX) else None
        return PythonCall(module, name, file)
    raise ValueError(f"source must be {FORMS}, not '{text}'")
