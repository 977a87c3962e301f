"""One process a state folder: two of one key would sign against each other and fight for the link."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LOCK_FILE = "lock"
LOOKS_MAX = 100
"""Who only looks (`is_running`) shares the lock for microseconds; a start tries again so many times."""


class AlreadyRunningError(Exception):
    """Another process works in the same state folder; the text is one sentence for the user."""


@contextmanager
def single_instance(folder: Path, program: str) -> Iterator[None]:
    """Hold the lock of `folder`, made if it is missing; raises `AlreadyRunningError`, which names `program`.

    The system frees the lock when the process ends, however it ends; the file stays and means nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("w") as lock:
        if not _take_alone(lock):
            raise AlreadyRunningError(f"another {program} works in {folder}; stop it first")
        yield


def is_running(folder: Path) -> bool:
    """Whether a process holds the lock of `folder`. Makes no files."""
    try:
        with (folder / LOCK_FILE).open("r") as lock:
            return not _take(lock, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _take_alone(lock: IO[str]) -> bool:
    """Take it exclusively; False only when a process holds it so, not when somebody looks."""
    for _ in range(LOOKS_MAX):
        if _take(lock, fcntl.LOCK_EX):
            return True
        if not _take(lock, fcntl.LOCK_SH):
            return False
        fcntl.flock(lock, fcntl.LOCK_UN)
    return False


def _take(lock: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
