"""Writing files so that a power cut leaves the old state or the new one, never something between."""

from __future__ import annotations

import os
from pathlib import Path

TEMPORARY_SUFFIX = ".new"
"""Ends the name of a file that is not complete yet; anything found with it after a start is rubbish."""


def write_new(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Create `path` with `data` and sync it; FileExistsError when it is there already."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`, durably and at once, whether or not there was one before."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    temporary.unlink(missing_ok=True)
    write_new(temporary, data)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """A new name is durable only when its folder is synced too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
