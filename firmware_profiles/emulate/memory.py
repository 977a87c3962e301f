"""What processes take of the memory, each page divided among those that share it."""

from __future__ import annotations

from pathlib import Path


def pss_kib(pid: int) -> int:
    """Proportional set size; 0 for a process that is gone, or where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
