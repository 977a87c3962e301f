"""One connection's life above `PahoLink`: subscriptions, the window of unacknowledged publishes, time-outs.

Used by the transport's thread only.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from edge_client.protocol.machine import Acknowledged, LinkUp, Publish, Received
from edge_client.runtime.logs import SeenOnce, line
from edge_client.runtime.mqtt_options import MqttLimits
from edge_client.runtime.paho_link import Accepted, Answered, Lost, PahoLink
from edge_client.runtime.send_queue import SendQueue
from edge_client.runtime.transport import Deliver, Traffic

PACKET_OVERHEAD_BYTES = 16
"""Most that a PUBLISH adds to topic and payload: fixed header 5, topic length 2, message id 2, properties."""

HELD_MAX = 1024
"""Messages that may come before our subscriptions are answered; honest servers answer first."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outgoing:
    """What all connections of one transport share, from its start or wake-up to its goodbye; `leaving` asks
    for that."""

    queue: SendQueue
    traffic: Traffic
    deliver: Deliver
    denials: SeenOnce
    leaving: threading.Event


class MqttSession:
    """From CONNECT sent to connection lost."""

    def __init__(
        self, link: PahoLink, server: str, limits: MqttLimits, outgoing: Outgoing, now_ms: int
    ) -> None:
        self.up = False
        self.lost: Lost | None = None
        self.accepted = False
        self._link = link
        self._server = server
        self._opened_ms = now_ms
        self._limits = limits
        self._outgoing = outgoing
        self._packet_bytes_max = limits.packet_bytes_max
        self._announced_bytes_max: int | None = None
        self._window = limits.window_messages
        self._publishes: dict[int, tuple[Publish, int]] = {}
        self._subscribes: dict[int, int] = {}
        self._held: list[Received] = []

    def unanswered(self) -> list[Publish]:
        """Sent and not acknowledged, oldest first."""
        return [message for message, _ in self._publishes.values()]

    def idle(self) -> bool:
        """Nothing waits for the server."""
        return not self._publishes and not len(self._outgoing.queue)

    def subscribe(self, filters: Iterable[str], now_ms: int) -> None:
        """Ask for filters; publishes wait for the answer, so that no reply can come before we hear it."""
        if names := tuple(filters):
            self._subscribes[self._link.subscribe(names)] = now_ms

    def unsubscribe(self, filters: tuple[str, ...], _now_ms: int) -> None:
        """Ask no longer."""
        self._link.unsubscribe(filters)

    def send(self, now_ms: int) -> None:
        """Hand over what the window allows."""
        while (
            self.up and not self._subscribes and len(self._publishes) < self._window and not self._link.lost
        ):
            message = self._outgoing.queue.take()
            if message is None:
                return
            self._publish(message, now_ms)

    def overdue(self, now_ms: int) -> bool:
        """Whether the server owes an answer for too long."""
        if not self.accepted:
            return now_ms - self._opened_ms >= self._limits.connect_timeout_ms
        return now_ms - self._oldest_ms(now_ms) > self._limits.answer_timeout_ms

    def take_in(self) -> None:
        """Handle what happened on the link since the last call."""
        happened, self._link.happened = self._link.happened, []
        for event in happened:
            if isinstance(event, Received):
                self._receive(event)
            elif isinstance(event, Answered):
                self._answered(event)
            elif isinstance(event, Accepted):
                self._accept(event)
            else:
                self.lost = self.lost or event

    def can_come_up(self) -> bool:
        """The server accepted us and answered every subscription."""
        return self.accepted and not self.up and not self._subscribes

    def come_up(self) -> None:
        """Messages that came with the subscriptions follow `LinkUp`, never lead it."""
        self.up = True
        _log.info(line("link_up", server=self._server))
        self._outgoing.deliver(LinkUp(self._server, self._announced_bytes_max))
        held, self._held = self._held, []
        for message in held:
            self._receive(message)

    def _publish(self, message: Publish, now_ms: int) -> None:
        size = len(message.topic.encode()) + len(message.payload) + PACKET_OVERHEAD_BYTES
        if size > self._packet_bytes_max:
            self._outgoing.traffic.dropped_oversize_count += 1
            _log.warning(line("publish_oversize", topic=message.topic, packet_bytes=size))
            self._acknowledge(message, delivered=False)
            return
        message_id = self._link.publish(message.topic, message.payload, retain=message.retain)
        self._publishes[message_id] = (message, now_ms)
        self._outgoing.traffic.up_messages += 1
        self._outgoing.traffic.up_bytes += len(message.payload)

    def _accept(self, event: Accepted) -> None:
        self.accepted = True
        self._announced_bytes_max = event.packet_bytes_max
        if event.packet_bytes_max is not None:
            self._packet_bytes_max = min(self._packet_bytes_max, event.packet_bytes_max)
            self._warn_of_small_packets(event.packet_bytes_max)
        if event.receive_max is not None:
            self._window = min(self._window, event.receive_max)

    def _warn_of_small_packets(self, announced_bytes: int) -> None:
        needed = self._limits.packet_bytes_needed
        if announced_bytes < needed and self._outgoing.denials.first((self._server, announced_bytes)):
            mend = f"the server's operator must allow {needed} or more (Mosquitto: max_packet_size)"
            fields = {"server": self._server, "takes_bytes": announced_bytes, "needs_bytes": needed}
            _log.warning(line("server_takes_too_little", **fields, mend=mend))

    def _receive(self, message: Received) -> None:
        if not self.up:
            self._held.append(message)
            if len(self._held) > HELD_MAX:
                self._link.give_up("messages instead of an answer to our subscriptions")
            return
        self._outgoing.traffic.down_messages += 1
        self._outgoing.traffic.down_bytes += len(message.payload)
        self._outgoing.deliver(message)

    def _answered(self, event: Answered) -> None:
        if self._subscribes.pop(event.message_id, None) is not None:
            if event.denied:
                self._denied("subscribe", event.why)
            return
        if (entry := self._publishes.pop(event.message_id, None)) is None:
            return
        message, _ = entry
        if event.denied:
            self._denied(message.topic, event.why)
        self._acknowledge(message, delivered=event.delivered)

    def _acknowledge(self, message: Publish, *, delivered: bool) -> None:
        if message.token is not None:
            self._outgoing.deliver(Acknowledged(message.token, delivered))

    def _denied(self, what: str, why: str) -> None:
        """Count; log once per kind of topic, because one wrong access list denies every chunk."""
        self._outgoing.traffic.denied_count += 1
        if self._outgoing.denials.first((tuple(what.split("/")[:6]), why)):
            _log.warning(line("denied_by_server", server=self._server, what=what, why=why))

    def _oldest_ms(self, now_ms: int) -> int:
        sent_ms = [sent for _, sent in self._publishes.values()]
        return min([*sent_ms, *self._subscribes.values()], default=now_ms)
