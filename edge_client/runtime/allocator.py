"""Tells glibc's allocator that memory is scarce: large blocks go back to the system when they are freed.

By default each thread gets an arena of its own and freed blocks up to 32 MiB stay with the process. An agent
trains in a second thread and holds arrays of up to a few hundred kB for moments, so that costs it 1-2 MB.
"""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""Parameters of `mallopt`, as <malloc.h> numbers them."""

RETURNED_BYTES_MIN = 64 << 10
"""Blocks from this size on are mapped and unmapped one by one."""


def spare_memory() -> bool:
    """Set it for this process, before threads start; False where the C library has no `mallopt` (musl)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {
        ARENA_MAX: 1,
        MMAP_THRESHOLD: RETURNED_BYTES_MIN,
        TRIM_THRESHOLD: RETURNED_BYTES_MIN,
    }
    taken = [mallopt(parameter, value) for parameter, value in settings.items()]
    return all(taken)
