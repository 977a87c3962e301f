"""The only event loop: takes events from any thread, feeds one machine, executes its effects in order.

    transport thread ─┐                        ┌─ effects[Persist]
    worker thread ────┼─► post ─► machine.handle ─ effects[Publish]
    its own deadline ─┘                        └─ effects[...]

Everything that decides runs in the thread that called `run`. An effect that raises ends the process (a
Persist that failed means memory is ahead of disk), and so does an exception in any other thread.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Generic, TypeVar

from edge_client.protocol.machine import Machine, Received, Woke
from edge_client.runtime.bell import Bell
from edge_client.runtime.clock import Clock

Event = TypeVar("Event")
Effect = TypeVar("Effect")


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """How much may wait for the machine, and how the loop waits for it."""

    events_max: int = 1024
    """Above this many waiting events, a `Received` is dropped and counted; nothing else ever is, because
    link changes, acknowledgements and a process's own results are bounded by what causes them."""
    payload_bytes_max: int = 8 * 1024 * 1024
    """The same for the payloads that wait."""
    nap_ms_max: int = 30_000
    """The wall clock may jump ahead while we wait for a deadline; we look at least this often."""
    wake_gap_ms_min: int = 5
    """A machine that leaves its deadline in the past gets `Woke` this often, not as fast as it can."""


class EventLoop(Generic[Event, Effect]):
    """Runs one machine. `effects` maps each effect type to the function that executes it. `alive` is called
    in every turn, at least each `nap_ms_max`, by the loop's own thread: silence means that the loop hangs."""

    def __init__(
        self,
        machine: Machine[Event | Woke, Effect],
        effects: Mapping[type[Any], Callable[[Any], None]],
        clock: Clock,
        limits: LoopLimits | None = None,
        *,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._machine = machine
        self._effects = effects
        self._clock = clock
        self._limits = limits or LoopLimits()
        self._alive = alive
        self._lock = threading.Lock()
        self._bell = Bell()
        self._naps = False
        """Whether the next event must ring; a busy loop looks by itself."""
        self._events: deque[Event | Woke] = deque()
        self._payload_bytes = 0
        self._stopping = False
        self._crash: BaseException | None = None
        self._woke_ms = 0
        self._just_woke = False
        """Then an event has its turn: a machine that is always late must not grow deaf."""
        self.dropped_count = 0

    def post(self, event: Event | Woke) -> None:
        """Queue one event; from any thread, never blocks, never raises."""
        with self._lock:
            if isinstance(event, Received):
                waiting_bytes = self._payload_bytes + len(event.payload)
                if (
                    len(self._events) >= self._limits.events_max
                    or waiting_bytes > self._limits.payload_bytes_max
                ):
                    self.dropped_count += 1
                    return
                self._payload_bytes = waiting_bytes
            self._events.append(event)
            rings, self._naps = self._naps, False
        if rings:
            self._bell.ring()

    def request_stop(self) -> None:
        """Make `run` return after the event it is at; from any thread or signal handler."""
        # No lock: a signal's handler runs in the loop's own thread, which may hold it.
        self._stopping = True
        self._bell.ring()

    def run(self) -> None:
        """Feed the machine, once, until `request_stop`; raises what an effect or another thread raised."""
        with closing(self._bell), self._other_threads_crash_us(), self._bell.rung_by_signals():
            while True:
                event = self._next()
                if event is None:
                    return
                for effect in self._machine.handle(event, self._clock.now_ms()):
                    self._effects[type(effect)](effect)

    def drain(self) -> None:
        """After `run`: feed the machine what other threads still had to say when it ended."""
        with self._lock:
            events = [self._take() for _ in range(len(self._events))]
        for event in events:
            if not isinstance(event, Received):
                for effect in self._machine.handle(event, self._clock.now_ms()):
                    self._effects[type(effect)](effect)

    def _next(self) -> Event | Woke | None:
        """The next event, or `Woke` when the deadline came, or None to stop."""
        deadline_ms = self._machine.deadline()  # asked once: only handling and its effects move it
        while True:
            self._alive()
            if self._crash is not None:
                raise self._crash
            if self._stopping:
                return None
            nap_ms = self._until_ms(deadline_ms)
            with self._lock:
                if nap_ms <= 0 and not (self._just_woke and self._events):
                    self._woke_ms = self._clock.now_ms()
                    self._just_woke = True
                    return Woke()
                self._just_woke = False
                if self._events:
                    return self._take()
                self._naps = True
            self._bell.wait(self._clock.wait_s(nap_ms))

    def _until_ms(self, deadline_ms: int | None) -> int:
        if deadline_ms is None:
            return self._limits.nap_ms_max
        wake_ms = max(deadline_ms, self._woke_ms + self._limits.wake_gap_ms_min)
        return min(wake_ms - self._clock.now_ms(), self._limits.nap_ms_max)

    def _take(self) -> Event | Woke:
        event = self._events.popleft()
        if isinstance(event, Received):
            self._payload_bytes -= len(event.payload)
        return event

    @contextmanager
    def _other_threads_crash_us(self) -> Iterator[None]:
        """A dead transport or training thread must not leave a process that looks alive."""
        before = threading.excepthook

        def crash(args: threading.ExceptHookArgs) -> None:
            self._crash = args.exc_value or RuntimeError(f"thread died of {args.exc_type.__name__}")
            self._bell.ring()

        threading.excepthook = crash
        try:
            yield
        finally:
            threading.excepthook = before


@contextmanager
def stop_on_signals(request_stop: Callable[[], None]) -> Iterator[None]:
    """While inside, SIGTERM and SIGINT ask for the stop instead of killing; only in the main thread."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        request_stop()

    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
