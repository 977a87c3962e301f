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
import re
from mmap import MADV_DONTNEED
from pathlib import Path

_PROCESS = Path("/proc/self")
_HEAD = rb"^(([0-9a-f]+)-([0-9a-f]+) r-[-x]p \S+ \S+ [1-9][0-9]* .*)$"
"""First line of a private mapping of a file that nobody can write: addresses, rights, offset, device, inode,
file. The same in `maps` and `smaps`."""
_MAPPED = re.compile(_HEAD, re.MULTILINE)
_COUNTED = re.compile(_HEAD + rb"\n(?:[A-Z].*\n)*?Anonymous: +([0-9]+) kB$", re.MULTILINE)

Place = tuple[int, int]
"""Where a mapping begins and how long it is."""


class LoadedCode:
    """What is mapped of libraries. Remembers which mappings are as in their files: to have it counted costs
    the kernel a look at each page, and whether the loader wrote to a part of a file does not change after."""

    def __init__(self) -> None:
        self._places: dict[bytes, Place | None] = {}
        """By first line; None for what differs from its file."""

    def let_go(self) -> int:
        """Give the pages back; from one thread. Returns how many bytes are mapped so, 0 where the kernel does
        not tell."""
        try:
            mapped = {found[1] for found in _MAPPED.finditer((_PROCESS / "maps").read_bytes())}
            if not mapped <= self._places.keys():
                self._places = places((_PROCESS / "smaps").read_bytes())
        except OSError:
            return 0
        madvise = ctypes.CDLL(None).madvise
        madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        still = (place for line, place in self._places.items() if place is not None and line in mapped)
        return sum(length for start, length in still if madvise(start, length, MADV_DONTNEED) == 0)


def places(smaps: bytes) -> dict[bytes, Place | None]:
    """The mappings in `smaps` that nobody can write, by their first line; None for those that are not in
    memory as they are in their files: pages that were written, or filled in by the loader before it took that
    right away, are counted as anonymous."""
    found: dict[bytes, Place | None] = {}
    for line, first, last, anonymous_kb in _COUNTED.findall(smaps):
        start = int(first, 16)
        found[line] = (start, int(last, 16) - start) if int(anonymous_kb) == 0 else None
    return found
