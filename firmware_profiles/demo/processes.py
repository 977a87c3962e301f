"""The demo's child processes: started in their own sessions, watched, and gone when the demo is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

STOP_S_MAX = 8.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOG_TAIL_LINES = 15


class ChildDiedError(Exception):
    """A process ended that should not have; the text names its log and shows the end of it."""


@dataclass(slots=True)
class Child:
    """One process and its log."""

    name: str
    command: list[str]
    log_file: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, or start again."""
        with self.log_file.open("ab") as log, uninterrupted():
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """kill -9 and wait; after this it is not missed until it is started again."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
            self.process = None

    @property
    def peak_rss_kib(self) -> int:
        """VmHWM of the running process; 0 when it is gone."""
        if self.process is None:
            return 0
        try:
            lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


@dataclass(slots=True)
class Children:
    """All of them; whoever starts them stops them in a `finally`."""

    members: list[Child] = field(default_factory=list)

    def add(self, name: str, command: list[str], log_file: Path) -> Child:
        """Start one more."""
        child = Child(name, command, log_file)
        self.members.append(child)
        child.start()
        return child

    def check(self) -> None:
        """Raise `ChildDiedError` if one has died."""
        for child in self.members:
            code = child.process.poll() if child.process is not None else None
            if code is not None:
                raise _died(child, code)

    def wait(self) -> None:
        """Until all have ended by themselves; raises `ChildDiedError` when one has failed."""
        for child in self.members:
            code = child.process.wait() if child.process is not None else 0
            if code:
                raise _died(child, code)

    def stop(self) -> None:
        """Ask all to end, wait, then make them."""
        for child in self.members:
            child.signal(signal.SIGTERM)
        deadline_s = time.monotonic() + STOP_S_MAX
        for child in self.members:
            if child.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(max(0.0, deadline_s - time.monotonic()))
        for child in self.members:
            child.kill()


def _died(child: Child, code: int) -> ChildDiedError:
    tail = child.log_file.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    shown = "\n  ".join(tail)
    return ChildDiedError(f"{child.name} ended with code {code}; {child.log_file} says:\n  {shown}")


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Put Ctrl-C and its like off until the end, then do what they do outside, which is `KeyboardInterrupt`
    unless somebody has set a handler: a process that was started half would be left running."""
    asked: list[int] = []

    def later(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, later) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for asked_for in asked:
            outside = before[signal.Signals(asked_for)]
            if callable(outside):
                outside(asked_for, None)
            elif outside != signal.SIG_IGN:
                raise KeyboardInterrupt


def program(name: str) -> str:
    """Path of one of our commands, from the environment this process runs in."""
    return str(Path(sys.executable).with_name(name))
