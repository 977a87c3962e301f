"""One process a state folder: two of one key would sign against each other and fight for the link."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_FILE = "lock"


class AlreadyRunningError(Exception):
    """Another process works in the same state folder; the text is one sentence for the user."""


@contextmanager
def single_instance(folder: Path, program: str) -> Iterator[None]:
    """Hold the lock of `folder`, made if it is missing; raises `AlreadyRunningError`, which names `program`.

    The system frees the lock when the process ends, however it ends; the file stays and means nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(f"another {program} works in {folder}; stop it first") from None
        yield
