"""Machines on a memory transport in virtual time; time jumps to whatever is due next.

Everything random comes from the caller, so a seed replays.
"""

from __future__ import annotations

import gc
import heapq
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from edge_client.protocol.machine import Machine, Note, Publish, Refused, Subscribe, Unsubscribe, Woke
from edge_client.runtime.memory import MemoryServer, MemoryTransport, ServerRules
from edge_client.runtime.transport import Will

STUCK_MAX = 1000
"""A machine that was woken so often at one moment and still wants to be woken then has a bug."""


COLLECT_EVERY = 50_000
"""Objects, net, between two looks for cycles; Python's own 700 are meant for programs that hold little."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """A world is millions of objects that stay; to look through them again and again takes a twentieth of the
    time. What a killed process leaves behind is still found."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class StuckError(RuntimeError):
    """A machine keeps a deadline in the past: our own bug."""


class Node:
    """One machine with its link; effects run in list order, those not of the link by `executors`."""

    def __init__(
        self,
        world: World,
        name: str,
        machine: Machine[Any, Any],
        executors: Mapping[type[Any], Callable[[Any], None]],
        will: Will | None = None,
    ) -> None:
        self.world = world
        self.name = name
        self.machine = machine
        self.transport = MemoryTransport(world.server, name, will)
        self.refused: list[Refused] = []
        self.notes: list[Note] = []
        self.is_up = True
        self.key = b""
        """The public key it signs with, where somebody looks for it."""
        self.due_ms: int | None = None
        self._stuck_count, self._stuck_ms = 0, 0
        self.executors: dict[type[Any], Callable[[Any], None]] = {
            Publish: self.transport.publish,
            Subscribe: lambda one: self.transport.subscribe(one.filters),
            Unsubscribe: lambda one: self.transport.unsubscribe(one.filters),
            Refused: self.refused.append,
            Note: self.notes.append,
            **executors,
        }

    def start(self, *, linked: bool = True) -> None:
        """Take part in time, and connect unless told otherwise."""
        self.reschedule()
        if linked:
            self.transport.start(self.post)

    def post(self, event: object) -> None:
        """Give one event to the machine at the world's time, and run the effects."""
        if not self.is_up:
            return
        watch = self.world.watch
        if watch is not None:
            watch(self.name, event)
        for effect in self.machine.handle(event, self.world.now_ms):
            if watch is not None:
                watch(self.name, effect)
            self.executors[type(effect)](effect)
            if not self.is_up:
                return
        self.reschedule()

    def reschedule(self) -> None:
        """Tell the world when the machine wants to be woken."""
        due_ms = self.machine.deadline()
        if due_ms != self.due_ms:
            self.due_ms = due_ms
            self.world.expect(self)

    def wake(self) -> None:
        """The deadline came. Raises `StuckError`."""
        now_ms = self.world.now_ms
        self._stuck_count = self._stuck_count + 1 if now_ms == self._stuck_ms else 0
        self._stuck_ms = now_ms
        if self._stuck_count > STUCK_MAX:
            raise StuckError(f"{self.name} keeps a deadline in the past at {now_ms}")
        self.due_ms = None
        self.post(Woke())

    def kill(self) -> None:
        """The process is gone; what it stored stays."""
        self.is_up = False
        self.world.nodes.remove(self)
        self.world.server.cut(self.name)


class World:
    """One MQTT server, one clock (Unix milliseconds), any number of machines."""

    def __init__(self, now_ms: int, rules: ServerRules | None = None) -> None:
        self.server = MemoryServer(rules)
        self.now_ms = now_ms
        self.server.pump(now_ms)
        self.nodes: list[Node] = []
        self.watch: Callable[[str, object], None] | None = None
        """Is shown every event and effect with the name of its node."""
        self._due: list[tuple[int, int, Node]] = []
        self._order = 0

    def add(self, node: Node, *, linked: bool = True) -> Node:
        """Let a machine take part."""
        self.nodes.append(node)
        node.start(linked=linked)
        return node

    def expect(self, node: Node) -> None:
        """Note when a machine wants to be woken; what was noted for it before no longer counts."""
        if node.due_ms is not None:
            self._order += 1
            heapq.heappush(self._due, (node.due_ms, self._order, node))

    def later(self, delay_ms: int, step: Callable[[], None]) -> None:
        """Do something of the outside world when so much time has passed."""
        self.server.later(delay_ms, step)

    def run(self, duration_ms: int, until: Callable[[], bool] = lambda: False) -> bool:
        """Advance until the condition holds or the time has passed; whether the condition held."""
        end_ms = self.now_ms + duration_ms
        while not until():
            woken_ms, delivery_ms = self._next_deadline(), self.server.due_ms()
            next_ms = min((at for at in (woken_ms, delivery_ms) if at is not None), default=end_ms + 1)
            if next_ms > end_ms:
                self.now_ms = end_ms
                self.server.pump(end_ms)
                return until()
            self.now_ms = max(self.now_ms, next_ms)
            if not self.server.pump(self.now_ms):
                heapq.heappop(self._due)[2].wake()
        return True

    def _next_deadline(self) -> int | None:
        """Of all machines; notes that no longer count go."""
        while self._due:
            due_ms, _, node = self._due[0]
            if node.is_up and node.due_ms == due_ms:
                return due_ms
            heapq.heappop(self._due)
        return None
