"""One transport over several MQTT servers at once: validators use it, so that devices may sit on any of them.

Everything is published to and heard from every server; what arrives twice is harmless. `LinkUp` is passed on
for every server (each needs the retained messages), `LinkLost` only when the last link is gone. A token is
delivered as soon as one server delivered it, and not delivered when no connected server is left to do so.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import fields
from functools import partial

from edge_client.protocol.machine import Acknowledged, LinkLost, LinkUp, Publish, TransportEvent
from edge_client.runtime.transport import Deliver, Traffic, Transport

TOKENS_MAX = 4096
"""Unanswered tokens that are remembered; a part whose queue was full never answers, so the oldest go."""


class FanTransport:
    """See `Transport`. Each part keeps its own bounds."""

    def __init__(self, parts: Sequence[Transport]) -> None:
        if not parts:
            raise ValueError("a fan needs at least one transport")
        self._parts = list(parts)
        self._lock = threading.Lock()
        self._up: set[int] = set()
        self._open: dict[int, set[int]] = {}
        self._deliver: Deliver = lambda _event: None

    @property
    def traffic(self) -> Traffic:
        """The sum over all servers, as of now."""
        sums = {
            field.name: sum(getattr(part.traffic, field.name) for part in self._parts)
            for field in fields(Traffic)
        }
        return Traffic(**sums)

    def start(self, deliver: Deliver) -> None:
        """See `Transport`."""
        self._deliver = deliver
        for index, part in enumerate(self._parts):
            part.start(partial(self._take, index))

    def publish(self, message: Publish) -> None:
        """See `Transport`; without a token it waits for servers that are down."""
        if message.token is not None:
            with self._lock:
                self._open[message.token] = set(self._up)
                while len(self._open) > TOKENS_MAX:
                    del self._open[next(iter(self._open))]
        for part in self._parts:
            part.publish(message)

    def subscribe(self, filters: tuple[str, ...]) -> None:
        """See `Transport`."""
        for part in self._parts:
            part.subscribe(filters)

    def unsubscribe(self, filters: tuple[str, ...]) -> None:
        """See `Transport`."""
        for part in self._parts:
            part.unsubscribe(filters)

    def sleep(self) -> None:
        """See `Transport`."""
        with self._lock:
            self._up.clear()
            self._open.clear()
        for part in self._parts:
            part.sleep()

    def wake(self) -> None:
        """See `Transport`."""
        for part in self._parts:
            part.wake()

    def stop(self) -> None:
        """See `Transport`."""
        for part in self._parts:
            part.stop()

    def _take(self, index: int, event: TransportEvent) -> None:
        with self._lock:
            events = self._judge(index, event)
        for passed_on in events:
            self._deliver(passed_on)

    def _judge(self, index: int, event: TransportEvent) -> list[TransportEvent]:
        if isinstance(event, LinkUp):
            self._up.add(index)
        elif isinstance(event, LinkLost):
            return self._lose(index, event)
        elif isinstance(event, Acknowledged):
            if event.delivered:
                return [event] if self._open.pop(event.token, None) is not None else []
            return self._give_up(index, [event.token])
        return [event]

    def _lose(self, index: int, event: LinkLost) -> list[TransportEvent]:
        self._up.discard(index)
        if self._up:
            return self._give_up(index, list(self._open))
        self._open.clear()  # LinkLost says it for all of them
        return [event]

    def _give_up(self, index: int, tokens: list[int]) -> list[TransportEvent]:
        """Server `index` will not deliver these."""
        lost: list[TransportEvent] = []
        for token in tokens:
            waiting = self._open.get(token)
            if waiting is None:
                continue
            waiting.discard(index)
            if not waiting:
                del self._open[token]
                lost.append(Acknowledged(token, delivered=False))
        return lost
