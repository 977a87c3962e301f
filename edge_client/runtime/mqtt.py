"""The MQTT transport: one thread that connects, serves the connection, and connects again.

MQTT 5 first. A server that refuses it, or closes the connection before it has ever accepted one, is asked
with 3.1.1 next time; what worked is remembered per server. After every loss the next server's turn comes,
after a jittered wait. The thread sleeps in poll; idle, it wakes four times per keep-alive period. `sleep`
ends it, `wake` starts a new one that waits for the old one's goodbye.
"""

from __future__ import annotations

import logging
import random
import select
import socket
import ssl
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace

from edge_client.protocol.machine import LinkLost, Publish
from edge_client.runtime.link_fault import SHORT_LINKS, link_fault
from edge_client.runtime.logs import SeenOnce, line
from edge_client.runtime.mqtt_options import MqttOptions, ServerAddress
from edge_client.runtime.mqtt_session import MqttSession, Outgoing
from edge_client.runtime.paho_link import Lost, PahoLink
from edge_client.runtime.reconnect import Backoff, ShortLinks
from edge_client.runtime.send_queue import SendQueue
from edge_client.runtime.tls import TlsError, client_context
from edge_client.runtime.transport import Deliver, Traffic
from edge_client.runtime.wire import WireCount

DENIALS_REMEMBERED_MAX = 64
FAILURES_REMEMBERED_MAX = 64
_log = logging.getLogger(__name__)


class MqttTransport:
    """See `Transport` for the rules it keeps. `rng` only spreads reconnects."""

    def __init__(self, options: MqttOptions, rng: random.Random | None = None) -> None:
        if not options.servers:
            raise ValueError("an MQTT transport needs at least one server")
        self.traffic = Traffic()
        self._options = options
        limits = options.limits
        self._backoff = Backoff(
            limits.reconnect_wait_ms_min,
            limits.reconnect_wait_ms_max,
            rng or random.Random(),  # noqa: S311
        )
        self._queue = SendQueue(limits.queue)
        self._versions = _Versions()
        self._lock = threading.Lock()
        self._filters: dict[str, None] = {}
        self._changes: deque[tuple[bool, tuple[str, ...]]] = deque()
        self._up = False
        """Tokens are taken."""
        self._hears = False
        """The connection has been told `_filters`, so changes must be told too."""
        self._short_links = ShortLinks()
        self._failures = SeenOnce(FAILURES_REMEMBERED_MAX)
        self._wire = WireCount(self.traffic)
        self._leaving = threading.Event()
        """The thread that runs now shall say goodbye; each has its own."""
        self._turn = 0
        """Of the servers; the one that worked is asked first after a sleep."""
        self._deliver: Deliver = lambda _event: None
        self._denials = SeenOnce(DENIALS_REMEMBERED_MAX)
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._thread: threading.Thread | None = None

    def start(self, deliver: Deliver) -> None:
        """See `Transport`; once per transport."""
        self._deliver = deliver
        self.wake()

    def publish(self, message: Publish) -> None:
        """See `Transport`."""
        with (
            self._lock
        ):  # a token must not slip in between the loss of the link and the clearing of the queue
            if message.token is not None and not self._up:
                self.traffic.dropped_unlinked_count += 1
            elif not self._queue.put(message):
                self.traffic.dropped_full_count += 1
        self._wake()

    def subscribe(self, filters: tuple[str, ...]) -> None:
        """See `Transport`."""
        with self._lock:
            self._filters.update(dict.fromkeys(filters))
            self._change(True, filters)
        self._wake()

    def unsubscribe(self, filters: tuple[str, ...]) -> None:
        """See `Transport`."""
        with self._lock:
            for name in filters:
                self._filters.pop(name, None)
            self._change(False, filters)
        self._wake()

    def sleep(self) -> None:
        """See `Transport`; the thread needs at most `drain_ms_max`, or the end of an attempt to connect."""
        with self._lock:
            self._up = False  # tokens are taken no more
        self._leaving.set()
        self._wake()

    def wake(self) -> None:
        """See `Transport`."""
        before, self._leaving = self._thread, threading.Event()
        outgoing = Outgoing(self._queue, self.traffic, self._deliver, self._denials, self._leaving)
        self._thread = threading.Thread(target=self._run, args=(outgoing, before), name="mqtt", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """See `Transport`; waits `drain_ms_max` for the queue, and a little for the thread."""
        self.sleep()
        thread = self._thread
        if thread is not None:
            thread.join(self._options.limits.drain_ms_max / 1000 + 1)
        if thread is None or not thread.is_alive():  # else it still hears the one and is woken by the other
            self._wake_in.close()
            self._wake_out.close()

    def _change(self, hear: bool, filters: tuple[str, ...]) -> None:
        if self._hears:  # otherwise the next connection begins with all of `_filters`
            self._changes.append((hear, filters))

    def _wake(self) -> None:
        with suppress(OSError):  # full of wake-ups already; closed: nobody is to be woken any more
            self._wake_out.send(b"\0")

    def _run(self, outgoing: Outgoing, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        while not outgoing.leaving.is_set():
            address = self._options.servers[self._turn % len(self._options.servers)]
            lost = self._attempt(address, outgoing)
            if lost.wrong_version and self._versions.refused(address):
                _log.info(line("mqtt_version", server=address, version="3.1.1"))
                continue
            if outgoing.leaving.is_set():
                return
            self._turn += 1
            outgoing.leaving.wait(self._backoff.next_wait_ms() / 1000)

    def _attempt(self, address: ServerAddress, outgoing: Outgoing) -> Lost:
        """One connection from beginning to end."""
        try:
            link = PahoLink(self._options, self._versions.next(address), self._tls_context(address))
            link.open(address)
        except (OSError, TlsError) as error:
            fault = link_fault(error)
            self._say_failed(address, Lost(fault.why, fault=fault))
            return Lost(fault.why, fault=fault)
        began_ms = _monotonic_ms()
        session = MqttSession(link, str(address), self._options.limits, outgoing, began_ms)
        self._serve(session, link, address, outgoing.leaving)
        lost = session.lost or Lost("stopped")
        lived_ms = _monotonic_ms() - began_ms
        if outgoing.leaving.is_set():  # however short it was, it was long enough
            self._end(session, lost, address, outgoing)
            return lost
        # Two processes of one id throw each other out: each waits longer and longer, not a little each time.
        if session.up and lost.fault is None and lived_ms >= self._options.limits.stable_ms:
            self._backoff.reset()
        if session.up and self._short_links.ended(lived_ms) and lost.fault is None:
            lost = replace(lost, fault=SHORT_LINKS)
        self._end(session, lost, address, outgoing)
        return lost

    def _serve(
        self, session: MqttSession, link: PahoLink, address: ServerAddress, leaving: threading.Event
    ) -> None:
        """Until the link is lost, or we leave and everything is sent or the time for that is over."""
        session.take_in()
        if session.lost is not None:
            return
        limits = self._options.limits
        quarter_ms = max(limits.keepalive_s * 250, 1)
        poller = select.poll()
        poller.register(self._wake_in, select.POLLIN)
        poller.register(link.fileno(), select.POLLIN)
        now_ms = _monotonic_ms()
        self._wire.begin()
        pinged_ms, drained_by_ms = now_ms, None
        while True:
            self._advance(session, address, now_ms, leaving)
            self._wire.look(link.wire_bytes(), now_ms)
            if session.lost is not None:
                return
            if leaving.is_set():
                drained_by_ms = drained_by_ms or now_ms + limits.drain_ms_max
                if session.idle() or now_ms >= drained_by_ms:
                    link.close()
                    return
            if link.happened:  # sending made something happen
                continue
            wait_ms = quarter_ms if session.accepted else min(quarter_ms, limits.connect_timeout_ms)
            if drained_by_ms is not None:
                wait_ms = min(wait_ms, drained_by_ms - now_ms)
            poller.modify(link.fileno(), select.POLLIN | (select.POLLOUT if link.wants_write() else 0))
            self._handle(poller.poll(wait_ms), link)
            now_ms = _monotonic_ms()
            if now_ms - pinged_ms >= quarter_ms:
                pinged_ms = now_ms
                link.keep_alive()
            if session.overdue(now_ms):
                link.give_up("no answer in time")

    def _handle(self, ready: list[tuple[int, int]], link: PahoLink) -> None:
        for descriptor, events in ready:
            if descriptor == self._wake_in.fileno():
                self._wake_in.recv(4096)
                continue
            if events & select.POLLOUT:
                link.write()
            if events & ~select.POLLOUT:  # readable, or an error that reading will name
                link.read()

    def _advance(
        self, session: MqttSession, address: ServerAddress, now_ms: int, leaving: threading.Event
    ) -> None:
        """Everything that needs no waiting: what came in, subscriptions, coming up, sending."""
        session.take_in()
        if session.lost is not None:
            return
        if session.accepted:
            with self._lock:
                hear_first = () if self._hears else tuple(self._filters)
                changes = [(True, hear_first), *self._changes]
                self._changes.clear()
                self._hears = True
            for hear, filters in changes:
                (session.subscribe if hear else session.unsubscribe)(filters, now_ms)
            if session.can_come_up() and not leaving.is_set():
                self._versions.worked(address)
                with self._lock:
                    self._up = True
                session.come_up()
        session.send(now_ms)

    def _end(self, session: MqttSession, lost: Lost, address: ServerAddress, outgoing: Outgoing) -> None:
        with self._lock:
            self._up = self._hears = False
            self._changes.clear()
            self.traffic.dropped_unlinked_count += self._queue.reset(session.unanswered())
        if outgoing.leaving.is_set():
            return
        if not session.accepted:
            self._versions.closed_early(address)
        if session.up:
            _log.warning(line("link_lost", server=address, why=lost.why, **_mend(lost)))
            outgoing.deliver(LinkLost(lost.why))
        elif not lost.wrong_version:
            self._say_failed(address, lost)

    def _say_failed(self, address: ServerAddress, lost: Lost) -> None:
        """Once for each server and reason: it goes on for as long as the server is away."""
        if self._failures.first((address, lost.why)):
            _log.warning(line("connect_failed", server=address, why=lost.why, **_mend(lost)))

    def _tls_context(self, address: ServerAddress) -> ssl.SSLContext | None:
        if not address.tls:
            return None
        timeout_s = self._options.limits.connect_timeout_ms / 1000
        return client_context(self._options.tls, address.host, address.port, timeout_s)


class _Versions:
    """Which MQTT version each server speaks, as far as this process found out."""

    def __init__(self) -> None:
        self._version: dict[ServerAddress, int] = {}
        self._worked: set[ServerAddress] = set()

    def next(self, address: ServerAddress) -> int:
        return self._version.get(address, 5)

    def worked(self, address: ServerAddress) -> None:
        self._worked.add(address)

    def refused(self, address: ServerAddress) -> bool:
        """The server said that it does not speak what we spoke; True when there is another version to try."""
        before = self.next(address)
        self._version[address] = 4
        return before != 4

    def closed_early(self, address: ServerAddress) -> None:
        """Some old servers close the connection instead of saying so: try the other version next time."""
        if address not in self._worked:
            self._version[address] = 9 - self.next(address)


def _mend(lost: Lost) -> dict[str, str]:
    return {} if lost.fault is None else {"mend": lost.fault.mend}


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
