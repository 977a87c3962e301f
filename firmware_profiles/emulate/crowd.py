"""Many machines behind the one event loop of a process, as one machine.

Each event and effect carries whose it is. A machine may be thrown away and another put in its place, as when
a process dies and starts again: what was under way for the old one is dropped.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge_client.protocol.machine import Machine, Received, Woke
from edge_client.runtime.transport import Deliver

RECEIVED_MAX = 65_536
"""Messages that may wait for all machines together; above it they are dropped and counted."""


@dataclass(frozen=True, slots=True)
class Place:
    """A machine of the crowd: the device's number, and which of its lives."""

    number: int
    life: int


@dataclass(frozen=True, slots=True)
class Told:
    """An event for one machine."""

    place: Place
    event: Any


@dataclass(frozen=True, slots=True)
class Wanted:
    """An effect of one machine."""

    place: Place
    effect: Any


@dataclass(frozen=True, slots=True)
class Due:
    """It is time for a step of the world around the machines."""

    step: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Entry:
    """Of the heap: a machine that wants to be woken, or a step."""

    place: Place | None
    step: Callable[[], None] | None = None


class Crowd:
    """See `Machine`; all methods but what `poster` gives are for the loop's thread."""

    def __init__(self, received_max: int = RECEIVED_MAX) -> None:
        self.dropped_count = 0
        self._received_max = received_max
        self._machines: dict[Place, Machine[Any, Any]] = {}
        self._due_ms: dict[Place, int | None] = {}
        self._heap: list[tuple[int, int, _Entry]] = []
        self._order = 0
        self._lock = threading.Lock()
        self._waiting = 0

    def __contains__(self, place: Place) -> bool:
        return place in self._machines

    def add(self, place: Place, machine: Machine[Any, Any]) -> None:
        """Let a machine take part."""
        self._machines[place] = machine
        self._expect(place)

    def remove(self, place: Place) -> None:
        """Throw a machine away; harmless when it is gone."""
        self._machines.pop(place, None)
        self._due_ms.pop(place, None)

    def later(self, due_ms: int, step: Callable[[], None]) -> None:
        """Let a `Due` with this step come at a moment."""
        self._push(due_ms, _Entry(None, step))

    def poster(self, place: Place, post: Callable[[Told], None]) -> Deliver:
        """What a transport delivers to: it may be called from any thread."""

        def deliver(event: Any) -> None:
            if isinstance(event, Received):
                with self._lock:
                    if self._waiting >= self._received_max:
                        self.dropped_count += 1
                        return
                    self._waiting += 1
            post(Told(place, event))

        return deliver

    # --- machine contract ---------------------------------------------------------------------------------

    def handle(self, event: Told | Woke, now_ms: int) -> list[Wanted | Due]:
        """See `Machine`."""
        if isinstance(event, Woke):
            return self._wake(now_ms)
        if isinstance(event.event, Received):
            with self._lock:
                self._waiting -= 1
        return self._tell(event.place, event.event, now_ms)

    def deadline(self) -> int | None:
        """See `Machine`."""
        while self._heap:
            due_ms, _, entry = self._heap[0]
            if entry.place is None or self._due_ms.get(entry.place) == due_ms:
                return due_ms
            heapq.heappop(self._heap)
        return None

    def _wake(self, now_ms: int) -> list[Wanted | Due]:
        """The one whose time came first; the loop lets a message have its turn, then comes again."""
        due_ms = self.deadline()
        if due_ms is None or due_ms > now_ms:
            return []
        entry = heapq.heappop(self._heap)[2]
        if entry.place is None:
            return [] if entry.step is None else [Due(entry.step)]
        self._due_ms[entry.place] = None
        return self._tell(entry.place, Woke(), now_ms)

    def _tell(self, place: Place, event: Any, now_ms: int) -> list[Wanted | Due]:
        machine = self._machines.get(place)
        if machine is None:
            return []
        effects = machine.handle(event, now_ms)
        self._expect(place)
        return [Wanted(place, effect) for effect in effects]

    def _expect(self, place: Place) -> None:
        due_ms = self._machines[place].deadline()
        if self._due_ms.get(place) != due_ms:
            self._due_ms[place] = due_ms
            if due_ms is not None:
                self._push(due_ms, _Entry(place))

    def _push(self, due_ms: int, entry: _Entry) -> None:
        self._order += 1
        heapq.heappush(self._heap, (due_ms, self._order, entry))
