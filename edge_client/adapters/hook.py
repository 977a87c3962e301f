"""The owner's own command that is run when a new model is there."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

HOOK_S_MAX = 30.0
"""A hook that runs longer is killed, with everything it started."""

Say = Callable[[str], None]


def parse_command(text: str) -> tuple[str, ...]:
    """The words of a command as a shell would cut them; raises `ValueError` with one sentence."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"model_updated cannot be read: {error}") from error
    if text and not words:
        raise ValueError("model_updated holds no command; leave it out for none")
    return words


class Hook:
    """Runs one command, without a shell; says what went wrong once, until it goes well again."""

    def __init__(
        self, words: tuple[str, ...], folder: Path, say: Say, seconds_max: float = HOOK_S_MAX
    ) -> None:
        self._words = words
        self._folder = folder
        self._say = say
        self._seconds_max = seconds_max
        self._process: subprocess.Popen[bytes] | None = None
        self._failed = False
        self._stopped = False

    def run(self, facts: Mapping[str, str]) -> None:
        """Run to the end, at most `HOOK_S_MAX`; `{name}` in a word of the command becomes that fact."""
        if not self._words or self._stopped:
            return
        fault = self._fault([_filled(word, facts) for word in self._words])
        if fault is not None and not self._failed and not self._stopped:
            self._say(fault)
        self._failed = fault is not None

    def stop(self) -> None:
        """Kill what is running; from any thread. Nothing is run any more."""
        self._stopped = True
        process = self._process
        if process is not None:
            _kill(process)

    def _fault(self, command: list[str]) -> str | None:
        try:
            # The owner's command from the owner's configuration, in a session of its own to be killed whole.
            process = subprocess.Popen(  # noqa: S603
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            return f"{command[0]} cannot be started: {error.strerror}"
        self._process = process
        if self._stopped:
            _kill(process)
        try:
            code = process.wait(self._seconds_max)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
            return f"{command[0]} took longer than {self._seconds_max:g} s and was killed"
        finally:
            self._process = None
        return None if code == 0 else f"{command[0]} ended with {code}"


def _filled(word: str, facts: Mapping[str, str]) -> str:
    for name, value in facts.items():
        word = word.replace(f"{{{name}}}", value)
    return word


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
