"""MQTT without a network: the same `Transport`, in one thread, in virtual time, the same every time.

`MemoryServer` keeps what is on its way in order of (due time, order of sending) and delivers only in `pump`.
A `LinkRule` decides the fate of every hop, so losses, duplicates and reordering come from the caller's seed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from edge_client.protocol.machine import Acknowledged, LinkLost, LinkUp, Publish, Received
from edge_client.runtime.filters import RetainedTree, SubscriptionTree
from edge_client.runtime.send_queue import QueueLimits, SendQueue
from edge_client.runtime.transport import Deliver, Traffic, Will

SERVER = ""
"""The server's place in a `Hop`; no client has this id."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One message on one link: from a client to `SERVER` or from `SERVER` to a client."""

    sender: str
    receiver: str
    topic: str
    payload_bytes: int


LinkRule = Callable[[Hop], tuple[int, ...]]
"""Delays in ms, one for each copy that arrives: `(0,)` a perfect link, `()` a loss, `(0, 40)` a duplicate."""

MayPublish = Callable[[str, str], bool]
"""(client id, topic) -> allowed."""

MayHear = Callable[[str, str], bool]
"""(client id, filter or topic) -> allowed."""


@dataclass(frozen=True, slots=True)
class ServerRules:
    """How the server treats its clients; the default is an open server on perfect links."""

    link: LinkRule = lambda _hop: (0,)
    may_publish: MayPublish = lambda _client, _topic: True
    may_hear: MayHear = lambda _client, _filter: True
    may_connect: Callable[[str], bool] = lambda _client: True
    """Whether the network lets this client through now; who was not, tries again with `heal`."""
    packet_bytes_max: int | None = None


@dataclass(slots=True)
class _Session:
    client: MemoryTransport
    filters: dict[str, None] = field(default_factory=dict)
    said_goodbye: bool = False
    """What it sent before still arrives."""


class MemoryServer:
    """Routes publishes, keeps retained messages, publishes last wills."""

    def __init__(self, rules: ServerRules | None = None) -> None:
        self.rules = rules or ServerRules()
        self.now_ms = 0
        self._order = 0
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._sessions: dict[str, _Session] = {}
        self._tree = SubscriptionTree()
        self._retained = RetainedTree()

    def due_ms(self) -> int | None:
        """When the next delivery is due."""
        return self._queue[0][0] if self._queue else None

    def pump(self, now_ms: int) -> int:
        """Deliver everything due until `now_ms`, and what that causes; returns how many steps were taken."""
        steps = 0
        while self._queue and self._queue[0][0] <= now_ms:
            due_ms, _, step = heapq.heappop(self._queue)
            self.now_ms = max(self.now_ms, due_ms)
            step()
            steps += 1
        self.now_ms = max(self.now_ms, now_ms)
        return steps

    def cut(self, client_id: str, why: str = "cut") -> None:
        """Break one client's connection; its last will is published. It stays down until `heal`."""
        session = self._sessions.pop(client_id, None)
        if session is None:
            return
        for topic_filter in session.filters:
            self._tree.remove(topic_filter, client_id)
        session.client.lost(why)
        if (will := session.client.will) is not None:
            self._route(Publish(will.topic, will.payload, retain=True))

    def heal(self, client: MemoryTransport) -> None:
        """Let one client connect again, unless it sleeps."""
        if client.asleep or not self.rules.may_connect(client.client_id):
            return
        if client.client_id in self._sessions:
            self.cut(client.client_id, "session taken over")
        session = self._sessions[client.client_id] = _Session(client)
        self.later(0, partial(self._up, session))

    def restart(self) -> None:
        """The server dies and comes back with its memory gone; clients are down until `heal`."""
        clients = [session.client for session in self._sessions.values()]
        self._sessions.clear()
        self._retained = RetainedTree()
        self._tree = SubscriptionTree()
        for client in clients:
            client.lost("server restarted")

    def leave(self, client_id: str) -> None:
        """A client says goodbye: no last will."""
        session = self._sessions.pop(client_id, None)
        if session is None:
            return
        session.said_goodbye = True
        for topic_filter in session.filters:
            self._tree.remove(topic_filter, client_id)

    def hear(self, client_id: str, topic_filter: str) -> bool:
        """Subscribe one client; False when the rules forbid it. Retained messages follow."""
        if not self.rules.may_hear(client_id, topic_filter):
            return False
        session = self._sessions[client_id]
        session.filters[topic_filter] = None
        self._tree.add(topic_filter, client_id)
        for topic, payload in self._retained.find(topic_filter):
            self._hand_over(session, topic, payload)
        return True

    def unhear(self, client_id: str, topic_filter: str) -> None:
        """Unsubscribe one client."""
        session = self._sessions[client_id]
        session.filters.pop(topic_filter, None)
        self._tree.remove(topic_filter, client_id)

    def send(self, client: MemoryTransport, message: Publish) -> None:
        """One publish leaves a connected client."""
        session = self._sessions[client.client_id]
        hop = Hop(client.client_id, SERVER, message.topic, len(message.payload))
        delays = self.rules.link(hop)
        if not delays:
            client.forget(message)
        for delay_ms in delays:
            self.later(delay_ms, partial(self._arrive, session, message))

    def later(self, delay_ms: int, step: Callable[[], None]) -> None:
        """Do `step` when virtual time has moved on by `delay_ms`."""
        self._order += 1
        heapq.heappush(self._queue, (self.now_ms + delay_ms, self._order, step))

    def _up(self, session: _Session) -> None:
        """The client hears what it subscribed to when the connection is there, not what it did before."""
        if not self._connected(session):
            return
        for topic_filter in session.client.filters:
            self.hear(session.client.client_id, topic_filter)
        session.client.up(self.rules.packet_bytes_max)

    def _arrive(self, session: _Session, message: Publish) -> None:
        if not (session.said_goodbye or self._connected(session)):
            return
        client_id = session.client.client_id
        allowed = self.rules.may_publish(client_id, message.topic)
        delivered = allowed and self._route(message) > 0
        session.client.acknowledged(message, delivered=delivered, denied=not allowed)

    def _route(self, message: Publish) -> int:
        if message.retain:
            self._retained.put(message.topic, message.payload)
        hearers = self._tree.find(message.topic)
        for name in hearers:
            self._hand_over(self._sessions[name], message.topic, message.payload)
        return len(hearers)

    def _hand_over(self, session: _Session, topic: str, payload: bytes) -> None:
        name = session.client.client_id
        if not self.rules.may_hear(name, topic):
            return
        for delay_ms in self.rules.link(Hop(SERVER, name, topic, len(payload))):
            self.later(delay_ms, partial(self._receive, session, Received(topic, payload)))

    def _receive(self, session: _Session, message: Received) -> None:
        if self._connected(session):
            session.client.received(message)

    def _connected(self, session: _Session) -> bool:
        """Whether this very connection is still there; what was under way when it broke is lost."""
        return self._sessions.get(session.client.client_id) is session


class MemoryTransport:
    """One client of a `MemoryServer`; see `Transport` for the rules it keeps."""

    def __init__(
        self,
        server: MemoryServer,
        client_id: str,
        will: Will | None = None,
        limits: QueueLimits | None = None,
    ) -> None:
        self.client_id = client_id
        self.will = will
        self.filters: dict[str, None] = {}
        self.traffic = Traffic()
        self.asleep = False
        self._server = server
        self._queue = SendQueue(limits or QueueLimits())
        self._under_way: list[Publish] = []
        self._connected = self._started = False
        self._deliver: Deliver = lambda _event: None

    @property
    def wants_link(self) -> bool:
        """Whether a real transport would be trying to connect."""
        return self._started and not self.asleep and not self._connected

    def start(self, deliver: Deliver) -> None:
        """Connect; `LinkUp` comes with the next `pump`."""
        self._started = True
        self._deliver = deliver
        self._server.heal(self)

    def sleep(self) -> None:
        """See `Transport`."""
        self.asleep, self._connected = True, False
        self.traffic.dropped_unlinked_count += self._queue.reset(self._under_way)
        self._under_way.clear()
        self._server.leave(self.client_id)

    def wake(self) -> None:
        """See `Transport`."""
        self.asleep = False
        self._server.heal(self)

    def stop(self) -> None:
        """Leave without a last will."""
        self._connected = self._started = False
        self._deliver = lambda _event: None
        self._server.leave(self.client_id)

    def publish(self, message: Publish) -> None:
        """See `Transport`."""
        packet_bytes_max = self._server.rules.packet_bytes_max
        if packet_bytes_max is not None and len(message.topic) + len(message.payload) > packet_bytes_max:
            self.traffic.dropped_oversize_count += 1
            self._answer(message, delivered=False)
        elif message.token is not None and not self._connected:
            self.traffic.dropped_unlinked_count += 1
        elif not self._queue.put(message):
            self.traffic.dropped_full_count += 1
        elif self._connected:
            self._flush()

    def subscribe(self, filters: tuple[str, ...]) -> None:
        """See `Transport`."""
        for topic_filter in filters:
            self.filters[topic_filter] = None
            if self._connected and not self._server.hear(self.client_id, topic_filter):
                self.traffic.denied_count += 1

    def unsubscribe(self, filters: tuple[str, ...]) -> None:
        """See `Transport`."""
        for topic_filter in filters:
            self.filters.pop(topic_filter, None)
            if self._connected:
                self._server.unhear(self.client_id, topic_filter)

    def up(self, packet_bytes_max: int | None) -> None:
        """The server accepted us."""
        self._connected = True
        self._deliver(LinkUp("memory", packet_bytes_max))
        self._flush()

    def lost(self, why: str) -> None:
        """The connection broke."""
        self._connected = False
        self.traffic.dropped_unlinked_count += self._queue.reset(self._under_way)
        self._under_way.clear()
        self._deliver(LinkLost(why))

    def received(self, message: Received) -> None:
        """The server delivered a message."""
        self.traffic.down_messages += 1
        self.traffic.down_bytes += len(message.payload)
        self._deliver(message)

    def acknowledged(self, message: Publish, *, delivered: bool, denied: bool) -> None:
        """The server took a publish, or refused it aloud; a duplicate's second answer is ignored."""
        if self.forget(message):
            self.traffic.denied_count += denied
            self._answer(message, delivered=delivered)

    def forget(self, message: Publish) -> bool:
        """The publish is no longer under way."""
        for index, waiting in enumerate(self._under_way):
            if waiting is message:
                del self._under_way[index]
                return True
        return False

    def _answer(self, message: Publish, *, delivered: bool) -> None:
        if message.token is not None:
            self._deliver(Acknowledged(message.token, delivered))

    def _flush(self) -> None:
        while (message := self._queue.take()) is not None:
            self.traffic.up_messages += 1
            self.traffic.up_bytes += len(message.payload)
            self._under_way.append(message)
            self._server.send(self, message)
