"""Writing files so that a power cut leaves the old state or the new one, never something between."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

TEMPORARY_SUFFIX = ".new"
"""Ends the name of a file that is not complete yet; anything found with it after a start is rubbish."""


def write_new(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Create `path` with `data` and sync it; FileExistsError when it is there already."""
    _write_new(path, (data,), mode)


def _write_new(path: Path, pieces: Iterable[bytes], mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`, durably and at once, whether or not there was one before."""
    replace_by_pieces(path, (data,))


def show(path: Path, data: bytes) -> None:
    """The same for what matters only while its writer runs: at once, but a power cut may leave it as before,
    empty or gone. Two syncs less, which on a card take longer than all else a small file needs."""
    temporary = _temporary(path)
    temporary.write_bytes(data)
    temporary.replace(path)


def replace_by_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """The same for content that is made piece by piece; nothing is left behind when making it fails."""
    temporary = _temporary(path)
    try:
        _write_new(temporary, pieces, 0o644)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(path)
    sync_folder(path.parent)


def replace_link(path: Path, target: Path) -> None:
    """Make `path` a symbolic link to `target`, durably and at once; who opens it finds the old or the new."""
    temporary = _temporary(path)
    temporary.symlink_to(target)
    temporary.replace(path)
    sync_folder(path.parent)


def _temporary(path: Path) -> Path:
    """Where the new content waits until it is complete."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    temporary.unlink(missing_ok=True)
    return temporary


def make_folder(path: Path, mode: int = 0o755) -> None:
    """Make a folder (`mode` is its own), and those above it that are missing, durably: what is synced inside
    one that a power cut takes away is gone with it. Harmless when it is there."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode, exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """A new name is durable only when its folder is synced too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
