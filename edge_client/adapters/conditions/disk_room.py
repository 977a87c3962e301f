"""Room on the disk of the state folder, and how much of it is ours."""

from __future__ import annotations

import shutil
from pathlib import Path

from edge_client.core.conditions.readings import Reading, Unknown


def read_disk(folder: Path) -> tuple[Reading[float], Reading[int]]:
    """Free share in percent, and bytes of the files in the folder."""
    try:
        usage = shutil.disk_usage(folder)
        used = sum(_size(path) for path in folder.rglob("*"))
    except OSError as error:
        why = Unknown(f"{folder}: {error.strerror or error}")
        return why, why
    return 100 * usage.free / usage.total if usage.total else Unknown(f"{folder} has no size"), used


def _size(path: Path) -> int:
    """Of a file; 0 for one that went meanwhile."""
    try:
        return path.lstat().st_size if path.is_file() else 0
    except OSError:
        return 0
