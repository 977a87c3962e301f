"""A comparison that is stopped ends at once, says what is kept, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.usual_signals import usual_signals

WORKERS = 2
BEGIN_S_MAX, END_S_MAX = 120.0, 60.0
LONG = ["--devices", "100", "--hours", "744", "--seeds", "1", "--processes", str(WORKERS)]
SESSION = 3
"""Its place in /proc/PID/stat behind the name of the program."""


def compare(out: Path) -> subprocess.Popen[str]:
    """`edge-fleet compare` with runs of many minutes, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "firmware_profiles.cli", "compare", "home", *LONG, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def told(process: str, file: str) -> str:
    """What the system tells of it; empty for one that is gone."""
    try:
        return Path(f"/proc/{process}/{file}").read_text()
    except OSError:
        return ""


def stat(process: str) -> list[str]:
    """Empty for one that is gone, or dead and not yet waited for."""
    words = told(process, "stat").rpartition(")")[2].split()
    return [] if words[:1] == ["Z"] else words


def of_session(session: int) -> list[str]:
    """Its living processes."""
    everybody = [one.name for one in Path("/proc").iterdir() if one.name.isdecimal()]
    return [one for one in everybody if [str(session)] == stat(one)[SESSION : SESSION + 1]]


def is_at_work(process: str) -> bool:
    """A process of the pool leaves Ctrl-C to its parent before it begins."""
    ignored = [line.split()[1] for line in told(process, "status").splitlines() if line.startswith("SigIgn:")]
    leaves = any(int(one, 16) >> (signal.SIGINT - 1) & 1 for one in ignored)
    return leaves and "spawn_main" in told(process, "cmdline")


def until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Whether it came true in time."""
    end_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("send", "number", "code"),
    [
        pytest.param(os.killpg, signal.SIGINT, 130, id="Ctrl-C in a terminal: all of them hear it"),
        pytest.param(os.kill, signal.SIGTERM, 130, id="kill"),
        pytest.param(os.kill, signal.SIGKILL, -signal.SIGKILL, id="kill -9"),
    ],
)
def test_no_process_stays_when_it_is_stopped(
    tmp_path: Path, send: Callable[[int, int], None], number: signal.Signals, code: int
) -> None:
    with usual_signals():
        process = compare(tmp_path / "out")
    try:

        def all_work() -> bool:
            at_work = sum(is_at_work(one) for one in of_session(process.pid))
            return process.poll() is not None or at_work == WORKERS

        assert until(all_work, BEGIN_S_MAX)
        assert process.poll() is None, process.communicate()[1]
        send(process.pid, number)
        process.wait(END_S_MAX)
        assert until(lambda: not of_session(process.pid), END_S_MAX), of_session(process.pid)
        said = process.communicate()[1]
    finally:
        for one in of_session(process.pid):
            os.kill(int(one), signal.SIGKILL)
    assert process.returncode == code, said
    if number is not signal.SIGKILL:
        kept = f"runs that ended are kept in {tmp_path / 'out'}; the same command goes on there"
        assert said.endswith(f"edge-fleet: stopped; {kept}\n")
        assert "Traceback" not in said
