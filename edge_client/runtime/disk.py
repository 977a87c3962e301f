"""Telling a disk that cannot take a write from a fault of ours.

A Persist that fails ends the process, because memory is ahead of disk; the owner is told why in one sentence,
and the next start goes on from what is on the disk.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
_SQLITE_WORDS = ("disk is full", "disk I/O error", "readonly database")
"""SQLite's own texts; Python 3.10 does not hand out its error codes."""


def disk_fault(error: BaseException) -> str | None:
    """One sentence when the disk is the cause of `error`, None when it is not."""
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        why = error.strerror or "write failed"
    elif isinstance(error, sqlite3.OperationalError) and any(word in str(error) for word in _SQLITE_WORDS):
        why = str(error)
    else:
        return None
    return _sentence(why)


def read_only_fault(folder: Path) -> str | None:
    """The same sentence when `folder` lies on a file system that is read-only, else None."""
    try:
        flags = os.statvfs(folder).f_flag
    except OSError:
        return None
    if not flags & os.ST_RDONLY:
        return None
    return _sentence(os.strerror(errno.EROFS))


def _sentence(why: str) -> str:
    return f"the disk does not take what must be kept ({why}); make room or mend it, then start again"
