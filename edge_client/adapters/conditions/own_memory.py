"""The memory of this process and what is left for it: `/proc`, and the control group of the service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge_client.adapters.conditions.sysfs import read_number, read_text
from edge_client.core.conditions.memory import Kills, MemoryReading
from edge_client.core.conditions.readings import Reading, Unknown

KIB = 1024
UNLIMITED = "max"


def read_memory(proc: Path, cgroups: Path) -> MemoryReading:
    """Below `/proc` and `/sys/fs/cgroup`."""
    board = _rows(proc / "meminfo")
    return MemoryReading(
        own=_kib(_rows(proc / "self" / "status"), "VmRSS"),
        total=_kib(board, "MemTotal"),
        available=_kib(board, "MemAvailable"),
        group_left=_group_left(proc / "self" / "cgroup", cgroups),
    )


def _rows(path: Path) -> Mapping[str, str] | Unknown:
    text = read_text(path)
    if isinstance(text, Unknown):
        return text
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _kib(rows: Mapping[str, str] | Unknown, name: str) -> Reading[int]:
    if isinstance(rows, Unknown):
        return rows
    try:
        return int(rows[name].split()[0]) * KIB
    except (KeyError, ValueError, IndexError):
        return Unknown(f"the kernel does not say {name}")


def _group_left(membership: Path, cgroups: Path) -> Reading[int]:
    """What the group (version 2) may still take; cached files do not count, the kernel drops them first."""
    text = read_text(membership)
    if isinstance(text, Unknown):
        return text
    own = [line.removeprefix("0::/") for line in text.splitlines() if line.startswith("0::/")]
    if not own:
        return Unknown("no control group of version 2")
    group = cgroups / own[0]
    limit, used = read_text(group / "memory.max"), read_number(group / "memory.current")
    if limit == UNLIMITED:
        return Unknown("the service has no limit of memory")
    if isinstance(limit, Unknown) or isinstance(used, Unknown) or not limit.isdecimal():
        return Unknown(f"{group} does not say its memory")
    return int(limit) - int(used) + _cached_bytes(group / "memory.stat")


def _cached_bytes(path: Path) -> int:
    text = read_text(path)
    if isinstance(text, Unknown):
        return 0
    rows = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    found = [rows.get(name, "0") for name in ("active_file", "inactive_file")]
    return sum(int(one) for one in found if one.isdecimal())


def read_kills(proc: Path) -> Kills:
    """How many processes this boot of the system has killed for memory, those in control groups too."""
    boot, text = read_text(proc / "sys/kernel/random/boot_id"), read_text(proc / "vmstat")
    if isinstance(text, Unknown):
        return Kills(boot, text)
    rows = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    count = rows.get("oom_kill", "")
    return Kills(boot, int(count) if count.isdecimal() else Unknown("the kernel does not count its kills"))
