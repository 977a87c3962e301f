"""What a device of a fleet runs on: clock, disk and link. Only here do simulated and emulated ones differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from edge_client.core.conditions.prediction import Spent
from edge_client.core.events import GoOffline, GoOnline, PublishChunk, TrainingOrder
from edge_client.core.stored import Stored
from edge_client.protocol.machine import Machine, Publish, Subscribe, Unsubscribe
from edge_client.runtime.transport import Transport, Will

Executors = dict[type[Any], Callable[[Any], None]]
"""Type of an effect -> what runs it."""


class Objects(Protocol):
    """Objects by root."""

    def get(self, root: bytes) -> bytes | None:
        """None when it is not there."""
        ...

    def put(self, root: bytes, data: bytes) -> None:
        """Keep it."""
        ...


class Disk(Protocol):
    """What `DeviceDisk` and `MemoryDisk` do."""

    @property
    def objects(self) -> Objects:
        """Large things."""
        ...

    def stored(self) -> Stored:
        """What a starting agent needs."""
        ...

    def costs(self, count: int) -> tuple[Spent, ...]:
        """Of the last rounds, oldest first."""
        ...

    def executors(self) -> Executors:
        """How each Save* effect is executed."""
        ...

    def chunk(self, effect: PublishChunk) -> Publish:
        """The message with one piece of a stored object."""
        ...


class Shell(Protocol):
    """Of one device; its disk outlives its processes, of which there is one at most."""

    @property
    def is_asleep(self) -> bool:
        """Whether the running process has given up its link."""
        ...

    def now_ms(self) -> int:
        """Of the fleet's clock."""
        ...

    def later(self, delay_ms: int, step: Callable[[], None]) -> None:
        """Do something when so much time has passed."""
        ...

    def open(self) -> Disk:
        """As a process finds it that starts."""
        ...

    def run(self, machine: Machine[Any, Any], executors: Executors, will: Will) -> None:
        """Let the machine take part and connect; link effects are the shell's to run."""
        ...

    def train(self, order: TrainingOrder) -> None:
        """Do the work whose time is over, and tell the machine."""
        ...

    def kill(self) -> None:
        """The process is gone; what it stored stays."""
        ...

    def reach(self, *, on: bool) -> None:
        """The MQTT server can be reached from now on, or not; at first it can."""
        ...


def link_executors(link: Transport, disk: Disk) -> Executors:
    """How effects are executed that are for the link."""
    return {
        Publish: link.publish,
        PublishChunk: lambda one: link.publish(disk.chunk(one)),
        Subscribe: lambda one: link.subscribe(one.filters),
        Unsubscribe: lambda one: link.unsubscribe(one.filters),
        GoOnline: lambda _one: link.wake(),
        GoOffline: lambda _one: link.sleep(),
    }
