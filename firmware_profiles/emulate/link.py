"""A device's link that may be out of reach and loses messages, as its fleet file says."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edge_client.protocol.machine import LinkLost, LinkUp, Publish, Received
from edge_client.runtime.transport import Deliver, Traffic, Transport

OUT_OF_REACH = "out of reach"


class Losses:
    """Which messages of one device are lost: `loses` is asked for each number, both ways, from any thread."""

    def __init__(self, loses: Callable[[int], bool]) -> None:
        self._loses = loses
        self._lock = threading.Lock()
        self._number = self._lost = 0

    def loses_next(self) -> bool:
        """Whether the next message is lost."""
        with self._lock:
            self._number += 1
            is_lost = self._loses(self._number)
            self._lost += is_lost
            return is_lost

    def take(self) -> int:
        """How many were lost since this was last asked."""
        with self._lock:
            lost, self._lost = self._lost, 0
            return lost


class ReachableLink:
    """See `Transport`. While out of reach there is no connection, whatever the machine wants."""

    def __init__(self, transport: Transport, losses: Losses, *, reachable: bool) -> None:
        self._transport = transport
        self._losses = losses
        self._reachable = reachable
        self._wanted = False
        self._started = False
        self._up = False
        self._deliver: Deliver = lambda _event: None

    @property
    def traffic(self) -> Traffic:
        """See `Transport`."""
        return self._transport.traffic

    @property
    def is_asleep(self) -> bool:
        """Whether the machine wants no connection."""
        return not self._wanted

    def start(self, deliver: Deliver) -> None:
        """See `Transport`."""
        self._deliver, self._wanted = deliver, True
        self._follow()

    def publish(self, message: Publish) -> None:
        """See `Transport`."""
        if not self._losses.loses_next():
            self._transport.publish(message)

    def subscribe(self, filters: tuple[str, ...]) -> None:
        """See `Transport`."""
        self._transport.subscribe(filters)

    def unsubscribe(self, filters: tuple[str, ...]) -> None:
        """See `Transport`."""
        self._transport.unsubscribe(filters)

    def sleep(self) -> None:
        """See `Transport`."""
        self._wanted = self._up = False
        if self._started and self._reachable:
            self._transport.sleep()

    def wake(self) -> None:
        """See `Transport`."""
        self._wanted = True
        self._follow()

    def stop(self) -> None:
        """See `Transport`."""
        self._wanted = self._up = False
        self._transport.stop()

    def reach(self, *, reachable: bool) -> None:
        """The device comes into reach, or goes out of it."""
        if reachable == self._reachable:
            return
        self._reachable = reachable
        if reachable:
            self._follow()
        elif self._started and self._wanted:
            was_up, self._up = self._up, False
            self._transport.sleep()
            if was_up:
                self._deliver(LinkLost(OUT_OF_REACH))

    def _follow(self) -> None:
        if not (self._wanted and self._reachable):
            return
        if self._started:
            self._transport.wake()
        else:
            self._started = True
            self._transport.start(self._hear)

    def _hear(self, event: object) -> None:
        """From the transport's thread."""
        if isinstance(event, LinkUp):
            self._up = True
        elif isinstance(event, LinkLost):
            self._up = False
        elif isinstance(event, Received) and self._losses.loses_next():
            return
        self._deliver(event)  # type: ignore[arg-type]
