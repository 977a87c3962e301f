"""What the agent weighs before it runs: bytes installed, time to import."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import edge_client

NOT_OURS = ("pip", "setuptools", "numpy", "ai-edge-litert", "tflite-runtime")
"""The issue leaves pip, NumPy and the runtime out; `litert` is an extra."""
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_TIMED = "import time; t = time.perf_counter(); import edge_client; print(time.perf_counter() - t)"


def installed_mb() -> float:
    """The package itself with compiled copies as large as its sources, and every distribution it needs."""
    own = sum(file.stat().st_size for file in Path(edge_client.__file__).parent.rglob("*.py"))
    others = sum(_bytes_of(name) for name in sorted(_needed("edge-client")))
    return (2 * own + others) / 1e6


def import_ms(times: int) -> float:
    """Median over so many new processes."""
    return 1000 * statistics.median(_import_s() for _ in range(times))


def _import_s() -> float:
    command = [sys.executable, "-c", _TIMED]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _needed(name: str) -> set[str]:
    """Distributions that a plain installation of `name` brings along, without extras."""
    found: set[str] = set()
    for line in metadata.requires(name) or ():
        match = _NAME.match(line)
        if match is None or "extra ==" in line or "python_version <" in line:
            continue
        other = match[0].lower()
        if other not in NOT_OURS:
            found |= {other, *_needed(other)}
    return found


def _bytes_of(name: str) -> int:
    files = metadata.distribution(name).files or ()
    return sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file())
