"""kill -9 of real processes that say "here" before each step, at moments drawn by seed."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

KILLS = 20
FOLDERS = 4
"""So that a folder is killed several times, and several begin from nothing."""


def killed(module: str, seed: int, steps_max: int, under: Path) -> Iterator[Path]:
    """Kill `python -m module FOLDER` once for each yielded folder, which holds what that kill left.

    The draw is how many steps were begun; where exactly the kill comes is up to the two processes.
    """
    moments = random.Random(seed)
    for number in range(KILLS):
        folder = under / str(number % FOLDERS)
        folder.mkdir(exist_ok=True)
        _run_and_kill([sys.executable, "-m", module, str(folder)], moments.randint(1, steps_max))
        yield folder


def _run_and_kill(command: list[str], steps: int) -> None:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(steps):
            assert process.stdout.readline() == "here\n", "it must be able to start from what a kill left"
        process.kill()
