"""Lets go of code and constants of loaded libraries, between two kinds of work that need different ones.

Starting touches some 20 MB of them, training another 10, waiting hardly any. The kernel could take such pages
away by itself, but looks for them late, and counts them against the process until then. Given back, they stay
in the page cache while nobody else wants the memory, and whoever runs such code again gets its page by a soft
fault.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from mmap import MADV_DONTNEED, PAGESIZE

_LOADED, _WRITABLE = 1, 2
"""PT_LOAD and PF_W, as <elf.h> numbers them."""
_BITS_64 = sys.maxsize > 1 << 32
"""The layouts below are those of 64 bits. On 32 the loader may also have changed code when it moved it
(DT_TEXTREL), and what is not as it is in the file must stay."""


class _Segment(ctypes.Structure):
    """`Elf64_Phdr`."""

    _fields_ = (
        ("kind", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("offset", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
        ("physical", ctypes.c_uint64),
        ("file_bytes", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("alignment", ctypes.c_uint64),
    )


class _Library(ctypes.Structure):
    """The first fields of `dl_phdr_info`."""

    _fields_ = (
        ("base", ctypes.c_uint64),
        ("name", ctypes.c_char_p),
        ("segments", ctypes.POINTER(_Segment)),
        ("segment_count", ctypes.c_uint16),
    )


_Visit = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Library), ctypes.c_size_t, ctypes.c_void_p)


def let_go_of_code() -> int:
    """Give the pages back, in a millisecond, from any thread; returns how many bytes are mapped so, 0 where
    it cannot be done."""
    # Both calls keep the interpreter's lock. The loader's own lock is held around each visit, so that no
    # library is half loaded when it is looked at.
    libc = ctypes.PyDLL(None)
    if not (_BITS_64 and sys.platform == "linux" and hasattr(libc, "dl_iterate_phdr")):
        return 0
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    given: list[int] = []

    def visit(library: ctypes._Pointer[_Library], _size: int, _data: int | None) -> int:
        for start, length in _constant(library.contents):
            if libc.madvise(start, length, MADV_DONTNEED) == 0:
                given.append(length)
        return 0

    libc.dl_iterate_phdr(_Visit(visit), None)
    return sum(given)


def _constant(library: _Library) -> Iterator[tuple[int, int]]:
    """Start and length of what is in memory as it is in the file: no data, also none that were made read-only
    after the loader had filled them in, which lie in a writable segment."""
    for segment in library.segments[: library.segment_count]:
        if segment.kind == _LOADED and not segment.flags & _WRITABLE:
            first = library.base + segment.address
            start, end = first // PAGESIZE * PAGESIZE, first + segment.bytes
            yield start, -(-(end - start) // PAGESIZE) * PAGESIZE
