"""Processes of ours, each with a pipe to it: start them, hear what they say, kill one, stop all."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from firmware_profiles.emulate.memory import pss_kib

LOOK_S = 0.25
STOP_S_MAX = 60.0
"""For all of them together to say what they have to, and to answer a question."""
STOP = "stop"


class ChildDiedError(RuntimeError):
    """A process ended that nobody killed; the text is its name."""


@dataclass(slots=True)
class _Child:
    process: BaseProcess
    pipe: Connection
    is_open: bool = True


class Children:
    """By name; `hear` gets what each says, with its name."""

    def __init__(self, hear: Callable[[str, Any], None]) -> None:
        self._hear = hear
        self._children: dict[str, _Child] = {}

    def launch(self, name: str, target: Callable[..., None], *arguments: Any) -> None:
        """Start a process; its end of the pipe is the last argument of `target`."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=target, args=(*arguments, theirs), name=name, daemon=True)
        process.start()
        theirs.close()
        self._children[name] = _Child(process, ours)

    def ask(self, name: str, question: object) -> Any:
        """For a process that speaks only when asked: its answer, None when it has none or is gone."""
        pipe = self._children[name].pipe
        try:
            pipe.send(question)
            return pipe.recv() if pipe.poll(STOP_S_MAX) else None
        except (EOFError, OSError):
            return None

    def tell_all(self, names: Iterable[str], what: object) -> None:
        """Say something to these; one that is gone does not hear it."""
        for name in names:
            with suppress(OSError):
                self._children[name].pipe.send(what)

    def listen(self) -> None:
        """Hear who has something to say, or wait a moment. Raises `ChildDiedError`."""
        pipes: dict[Any, str] = {one.pipe: name for name, one in self._children.items() if one.is_open}
        for ready in wait(list(pipes), LOOK_S):
            name = pipes[ready]
            self._take(name)
            if not self._children[name].is_open:
                raise ChildDiedError(name)

    def kill(self, name: str) -> None:
        """As `kill -9`; what it said before and nobody has heard is lost."""
        child = self._children.pop(name)
        child.process.kill()
        child.process.join()
        child.pipe.close()

    def stop(self) -> None:
        """Those started last first; take what they still say."""
        deadline_s = time.monotonic() + STOP_S_MAX
        for name, child in reversed(list(self._children.items())):
            self._say_stop(child)
            while child.is_open and time.monotonic() < deadline_s:
                if child.pipe.poll(LOOK_S):
                    self._take(name)
            child.process.join(max(0.1, deadline_s - time.monotonic()))
            if child.process.is_alive():
                child.process.kill()
                child.process.join()
        self._children.clear()

    def memory_kib(self, *others: int | None) -> int:
        """Of all of them and of other processes, each page divided among those that share it."""
        pids = (*(one.process.pid for one in self._children.values()), *others)
        return sum(pss_kib(one) for one in pids if one)

    def _take(self, name: str) -> None:
        child = self._children[name]
        try:
            said = child.pipe.recv()
        except (EOFError, OSError):
            child.is_open = False
            return
        self._hear(name, said)

    @staticmethod
    def _say_stop(child: _Child) -> None:
        try:
            child.pipe.send(STOP)
        except OSError:
            child.is_open = False
