"""What the kernel tells about a running process; Linux only, as the agent is."""

from __future__ import annotations

import os
import time
from pathlib import Path

_CPU_CLOCK_OF_ALL_THREADS = 2
"""Low bits of a clock id made from a process id (`CPUCLOCK_SCHED`), see clock_getcpuclockid(3)."""


def cpu_s(pid: int) -> float:
    """Processor time of all threads so far, those that ended included, to the nanosecond."""
    return time.clock_gettime(~pid << 3 | _CPU_CLOCK_OF_ALL_THREADS)


def peak_mb(pid: int) -> float:
    """The most that was resident at once (VmHWM), in MiB."""
    return _field(pid, "status", "VmHWM:") / 1024


def resident_mb(pid: int) -> float:
    """What is resident now (VmRSS), in MiB; libraries that others have mapped too count in full."""
    return _field(pid, "status", "VmRSS:") / 1024


def written_bytes(pid: int) -> int:
    """Sum over all `write` and `pwrite` calls, to files and terminal; what goes to sockets is not in it."""
    return _field(pid, "io", "wchar:")


def threads(pid: int) -> list[tuple[float, int]]:
    """Of each thread that lives, oldest first: processor time, and how often it waited for something."""
    found = []
    for task in sorted(Path(f"/proc/{pid}/task").iterdir(), key=lambda one: int(one.name)):
        cpu_ns = int((task / "schedstat").read_text(encoding="ascii").split()[0])
        found.append((cpu_ns / 1e9, _field(pid, f"task/{task.name}/status", "voluntary_ctxt_switches:")))
    return found


def faults(pid: int) -> int:
    """Page faults so far that needed no disk."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[7])


def started_ms(pid: int) -> int:
    """When the process began, Unix time; good to 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return int((time.time() - age_s) * 1000)


def _field(pid: int, name: str, field: str) -> int:
    lines = Path(f"/proc/{pid}/{name}").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
