"""Lets go of code and constants of loaded libraries, between two kinds of work that need different ones.

Starting touches some 20 MB of them, training another 10, waiting hardly any. The kernel could take such pages
away by itself, but looks for them late, and counts them against the process until then. Given back, they stay
in the page cache while nobody else wants the memory, and whoever runs such code again gets its page by a soft
fault.

What may be given back is what the kernel says of each mapping: private, not writable, from a file, and
without a single page that differs from it. (Asking the loader instead means calling Python under its lock,
and a second thread that waits for that lock with the interpreter's own stops the process for good.)
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from mmap import MADV_DONTNEED
from pathlib import Path

_MAPPINGS = Path("/proc/self/smaps")


def let_go_of_code() -> int:
    """Give the pages back, in a few milliseconds, from any thread; returns how many bytes are mapped so, 0
    where the kernel does not tell."""
    try:
        lines = _MAPPINGS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return 0
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    given = (length for start, length in unchanged(lines) if madvise(start, length, MADV_DONTNEED) == 0)
    return sum(given)


def unchanged(lines: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Start and length of the mappings in `smaps` that are in memory as they are in their files and that
    nobody can write: pages that were written, or filled in by the loader before it took that right away, are
    counted as anonymous."""
    place: tuple[int, int] | None = None
    for line in lines:
        name, _, rest = line.partition(" ")
        if not name.endswith(":"):
            place = _place(name, rest)
        elif name == "Anonymous:" and place is not None and rest.split()[0] == "0":
            yield place


def _place(addresses: str, rest: str) -> tuple[int, int] | None:
    """Of a mapping that may be given back, from its first line: rights, offset, device, inode, file."""
    rights, _, _, inode, *_ = rest.split(None, 4)
    if "w" in rights or not rights.endswith("p") or inode == "0":
        return None
    first, last = (int(one, 16) for one in addresses.split("-"))
    return first, last - first
