"""What `edge-client doctor` looks at on the board itself: Python, kernel, clock and disk, whatever the chain.

Files of the system are read below `root`, so that samples of real boards can stand in for it. What is missing
but can be lived without is good with a `mend`; what is certain not to work is not good.
"""

from __future__ import annotations

import os
import shutil
import statistics
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge_client.adapters.conditions.clock_sync import read_time_synced
from edge_client.core.conditions.readings import Unknown

DISK_BYTES_MIN = 64 << 20
DISK_BYTES_GOOD = 500 << 20
FSYNC_MS_GOOD = 250
MEMORY_KIB_GOOD = 100 << 10
"""The agent's peak with a small model (docs/PERFORMANCE.md), and a third more."""
FSYNC_PROBES = 5
FSYNC_PROBE_BYTES = 4096
TFLITE_PYTHON_MAX = (3, 11)
"""tflite-runtime has no wheels for a later one."""
CMDLINE = "/boot/firmware/cmdline.txt"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: its name, whether the device can work so, what was found, and the one command that mends it
    (empty: nothing to mend; with `good`: it works, but worse)."""

    check: str
    good: bool
    detail: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Python:
    """What runs us, and what is installed for it."""

    machine: str
    """As the kernel says: `aarch64` also below a 32-bit userland."""
    bits: int
    """Of the userland; wheels must fit this."""
    version: tuple[int, int]
    runtimes: tuple[str, ...]
    """Installed TFLite runtimes by package name."""
    numpy_major: int
    executable: str = "python3"
    """A `pip` typed at a prompt is often another Python's."""

    @classmethod
    def here(cls) -> Python:
        """This one."""
        known = ("ai-edge-litert", "tflite-runtime")
        installed = tuple(name for name in known if _version(name))
        numpy_major = int((_version("numpy") or "0").partition(".")[0])
        bits = 8 * struct.calcsize("P")
        return cls(os.uname().machine, bits, sys.version_info[:2], installed, numpy_major, sys.executable)


def check_runtime(python: Python) -> Finding:
    """A TFLite runtime for this userland, and a numpy that it works with."""
    if not python.runtimes:
        return _missing_runtime(python)
    if python.runtimes == ("tflite-runtime",) and python.numpy_major >= 2:
        found = f"tflite-runtime was built for numpy 1 and cannot be loaded with numpy {python.numpy_major}"
        return Finding("runtime", False, found, _pip(python, "numpy<2"))
    return Finding("runtime", True, python.runtimes[0])


def _missing_runtime(python: Python) -> Finding:
    if python.bits == 64:
        return Finding("runtime", False, "no TFLite runtime", _pip(python, "edge-client[litert]"))
    below = " below a 64-bit kernel" if python.machine == "aarch64" else ""
    found = f"no TFLite runtime for this 32-bit system{below}"
    if python.version > TFLITE_PYTHON_MAX:
        name = ".".join(map(str, python.version))
        return Finding(
            "runtime", False, f"{found} with Python {name}; none exists", "install a 64-bit system"
        )
    return Finding("runtime", False, found, _pip(python, "edge-client[tflite]"))


def _pip(python: Python, wanted: str) -> str:
    return f"{python.executable} -m pip install '{wanted}'"


def check_machine(root: Path) -> Iterator[Finding]:
    """Kernel and clock of the machine whose `/` is `root`."""
    yield _memory_limits(root)
    yield _pressure(root)
    yield _rtc(root)
    yield _time_sync(root)
    yield _memory(root)


def _memory_limits(root: Path) -> Finding:
    try:
        controllers = (root / "sys/fs/cgroup/cgroup.controllers").read_text(encoding="ascii").split()
    except OSError:
        return Finding("cgroup", True, "unknown (no unified cgroups): the agent watches its memory itself")
    if "memory" in controllers:
        return Finding("cgroup", True, "memory limits of services work")
    mend = f"sudo sed -i '1 s/$/ cgroup_enable=memory/' {CMDLINE}; reboot"
    return Finding("cgroup", True, "memory limits of services have no effect; the agent watches itself", mend)


def _pressure(root: Path) -> Finding:
    try:
        (root / "proc/pressure/cpu").read_text(encoding="ascii")
    except OSError:
        mend = f"sudo sed -i '1 s/$/ psi=1/' {CMDLINE}; reboot"
        return Finding("pressure", True, "off in this kernel; load is judged by cruder figures", mend)
    return Finding("pressure", True, "measured by the kernel")


def _rtc(root: Path) -> Finding:
    if any((root / "sys/class/rtc").glob("rtc*")):
        return Finding("rtc", True, "there is a clock that runs while the power is off")
    found = "no clock runs while the power is off; until the time is known headers are followed one by one"
    mend = "sudo systemctl enable systemd-time-wait-sync, or add a clock module with a battery"
    return Finding("rtc", True, found, mend)


def _time_sync(root: Path) -> Finding:
    synced = read_time_synced(root / "run")
    if isinstance(synced, Unknown):
        return Finding(
            "time", True, f"unknown: {synced.reason}", "install a time service: systemd-timesyncd, chrony"
        )
    if synced:
        return Finding("time", True, "synchronised")
    return Finding("time", True, "not synchronised", "sudo timedatectl set-ntp true")


def _memory(root: Path) -> Finding:
    """What other programs leave, as the kernel estimates it."""
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return Finding("memory", True, "unknown: the kernel does not say what is free")
    found = f"{kib >> 10} MiB free"
    if kib < MEMORY_KIB_GOOD:
        need = f"{found}; an agent that trains takes up to {MEMORY_KIB_GOOD >> 10}"
        return Finding("memory", True, need, "stop other programs, or: sudo apt install zram-tools")
    return Finding("memory", True, found)


DISK = "make room; where it went read-only, `dmesg` says why: the kernel does that to a card that fails"


def check_disk(folder: Path) -> Finding:
    """Room and speed of the disk that holds `folder`; writes a small file for a moment."""
    free = shutil.disk_usage(folder).free
    mib = f"{free >> 20} MiB free"
    mend = f"du -xh {folder} | sort -h"
    if free < DISK_BYTES_MIN:
        return Finding("disk", False, f"{mib}, at least {DISK_BYTES_MIN >> 20} are needed", mend)
    if free < DISK_BYTES_GOOD:
        return Finding("disk", True, f"{mib}; {DISK_BYTES_GOOD >> 20} are better", mend)
    try:
        return judge_fsync(fsync_ms(folder), mib)
    except OSError as error:
        return Finding("disk", False, f"{mib}, but it takes no writes: {error.strerror}", DISK)


def judge_fsync(latency_ms: float, found: str) -> Finding:
    """Each step of a round waits for the disk: a slow card makes everything slow, but not wrong."""
    detail = f"{found}, {latency_ms:.1f} ms until a write is safe"
    slow = latency_ms > FSYNC_MS_GOOD
    return Finding("disk", True, detail, "use another card, or an SSD by USB" if slow else "")


def fsync_ms(folder: Path) -> float:
    """Median time in which a small write is safe."""
    path = folder / f"doctor.{os.getpid()}.probe"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        took = []
        for _ in range(FSYNC_PROBES):
            began = time.perf_counter()
            os.write(descriptor, bytes(FSYNC_PROBE_BYTES))
            os.fsync(descriptor)
            took.append((time.perf_counter() - began) * 1000)
        return statistics.median(took)
    finally:
        os.close(descriptor)
        path.unlink()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
