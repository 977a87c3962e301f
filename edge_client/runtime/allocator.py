"""Tells those who hand out memory that it is scarce.

glibc: large blocks go back to the system when they are freed. By default each thread gets an arena of its own
and freed blocks up to 32 MiB stay with the process. An agent trains in a second thread and holds arrays of up
to a few hundred kB for moments, so that costs it 1-2 MB.

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

RETURNED_BYTES_MIN = 64 << 10
"""Blocks from this size on are mapped and unmapped one by one."""


def spare_memory() -> bool:
    """Set it for this process, before threads start and before NumPy is loaded; False where the C library has
    no `mallopt` (musl)."""
    os.environ[BLAS_THREADS] = "1"
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
