"""How much other programs have to wait: PSI, and what stands for it where the kernel has it switched off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_client.adapters.conditions.sysfs import read_text
from edge_client.core.conditions.readings import Reading, Unknown


@dataclass(frozen=True, slots=True)
class Pressure:
    """In percent; see `Conditions`."""

    cpu_pct: Reading[float]
    memory_pct: Reading[float]
    memory_free_pct: Reading[float]
    io_pct: Reading[float]


def read_pressure(proc: Path, cores: int) -> Pressure:
    """From `/proc`. Without PSI the processor's load above what it can do stands for pressure."""
    cpu = _psi(proc / "pressure" / "cpu")
    if isinstance(cpu, Unknown):
        cpu = _overload(proc / "loadavg", cores)
    memory, io = _psi(proc / "pressure" / "memory"), _psi(proc / "pressure" / "io")
    return Pressure(cpu, memory, _memory_free(proc / "meminfo"), io)


def _psi(path: Path) -> Reading[float]:
    text = read_text(path)
    if isinstance(text, Unknown):
        return text
    words = text.partition("\n")[0].split()
    try:
        return float(dict(word.split("=", 1) for word in words[1:])["avg10"])
    except (ValueError, KeyError):
        return Unknown(f"{path} holds no averages")


def _overload(path: Path, cores: int) -> Reading[float]:
    """Share of the waiting programs among all that want to run, by the load of the last minute."""
    text = read_text(path)
    if isinstance(text, Unknown):
        return text
    try:
        load = float(text.split()[0])
    except (ValueError, IndexError):
        return Unknown(f"{path} holds no load")
    return max(0.0, 100 * (load - cores) / load) if load > 0 else 0.0


def _memory_free(path: Path) -> Reading[float]:
    text = read_text(path)
    if isinstance(text, Unknown):
        return text
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    try:
        return 100 * float(rows["MemAvailable"].split()[0]) / float(rows["MemTotal"].split()[0])
    except (KeyError, ValueError, IndexError, ZeroDivisionError):
        return Unknown(f"{path} does not say MemAvailable")
