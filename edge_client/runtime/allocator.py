"""Tells those who hand out memory that it is scarce.

glibc: one heap for all threads, and what is freed goes back to the system when a kind of work is over
(`return_freed`), not block by block: each page of a new block is a fault, which in a virtual machine takes
longer than to fill the page ten times. By default each thread gets a heap of its own, and freed blocks up to
32 MiB stay with the process.

NumPy's linear algebra: no threads of its own. The agent multiplies no matrices with NumPy, and starting the
threads takes as much processor time as loading all of NumPy does without them.
"""

from __future__ import annotations

import ctypes
import os

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""Parameters of `mallopt`, as <malloc.h> numbers them."""

BLAS_THREADS = "OPENBLAS_NUM_THREADS"
"""Read by the library when it is loaded; there is no other way to tell it."""

MAPPED_BYTES_MIN = 1 << 20
"""Blocks from this size on are mapped and unmapped one by one: arrays of larger models. Those of a model of
100,000 parameters are not."""
KEPT_BYTES_MAX = 2 << 20
"""So much that was freed may stay at the end of the heap while work goes on."""


def spare_memory() -> bool:
    """Set it for this process, before threads start and before NumPy is loaded; False where the C library has
    no `mallopt` (musl)."""
    os.environ[BLAS_THREADS] = "1"
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {
        ARENA_MAX: 1,
        MMAP_THRESHOLD: MAPPED_BYTES_MIN,
        TRIM_THRESHOLD: KEPT_BYTES_MAX,
    }
    taken = [mallopt(parameter, value) for parameter, value in settings.items()]
    return all(taken)


def return_freed() -> bool:
    """Give back what was freed, wherever in the heap it lies; False where nothing was given back, or the C
    library has no such call (musl)."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return malloc_trim is not None and bool(malloc_trim(0))
