"""One login to one MQTT server, as the agent would do it, to see what it lets this device do.

It needs no right that the agent lacks: it subscribes to the device's own topics and asks the validators for
the first piece of genesis, as a device does that joins. No last will, and nothing retained, is left behind.
It uses the device's own id, because servers tie the rights to it, and many allow one connection for each id:
so it must not be used while the agent runs, which would be thrown out.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from edge_client.protocol.chunks import Bitmap, ObjectKind
from edge_client.protocol.machine import Received
from edge_client.protocol.messages import Ask, GetChunks
from edge_client.protocol.topics import Topics
from edge_client.runtime.link_fault import LinkFault, link_fault
from edge_client.runtime.mqtt_options import MqttOptions, ServerAddress
from edge_client.runtime.paho_link import Accepted, Answered, Happening, Lost, PahoLink
from edge_client.runtime.tls import TlsError, client_context

ANSWER_MS_MAX = 5_000
"""For the server's answer to a step."""
ASKS, ASK_MS = 4, 1_500
"""So many validators are asked, one after the other, each waited for so long."""
MQTT_5, MQTT_311 = 5, 4


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of it; `fault` says why it ended early. `denied` is what the server refused aloud."""

    fault: LinkFault | None = None
    denied: str = ""
    answered: bool = False
    """A validator answered: hearing and publishing both work."""


def log_in(options: MqttOptions, address: ServerAddress, chain_id: bytes) -> Seen:
    """Log in, subscribe, ask, hear, leave; takes at most some 20 s."""
    options = replace(options, servers=(address,), will=None)
    for version in (MQTT_5, MQTT_311):
        try:
            with_version = _connect(options, address, version)
        except (OSError, TlsError) as error:
            return Seen(link_fault(error))
        probe = _Probe(with_version, options.client_id, chain_id)
        answer = probe.wait(lambda one: isinstance(one, Accepted | Lost), options.limits.connect_timeout_ms)
        if isinstance(answer, Accepted):
            return probe.ask_around()
        if isinstance(answer, Lost) and answer.fault is not None and not answer.wrong_version:
            return Seen(answer.fault)
        with_version.give_up("another version is tried")
    return Seen(link_fault(ConnectionError("the server answers no MQTT login")))


def _connect(options: MqttOptions, address: ServerAddress, version: int) -> PahoLink:
    timeout_s = options.limits.connect_timeout_ms / 1000
    context = client_context(options.tls, address.host, address.port, timeout_s) if address.tls else None
    link = PahoLink(options, version, context)
    link.open(address)
    return link


class _Probe:
    """The steps after the connection."""

    def __init__(self, link: PahoLink, device: str, chain_id: bytes) -> None:
        self._link = link
        self._device = device
        self._chain_id = chain_id
        self._topics = Topics.of(chain_id)

    def ask_around(self) -> Seen:
        """What we may hear, and whether a validator hears us."""
        number = self._link.subscribe(self._topics.device_filters(self._device))
        answer = self.wait(lambda one: isinstance(one, Answered) and one.message_id == number, ANSWER_MS_MAX)
        if isinstance(answer, Answered) and answer.denied:
            return self._leave(Seen(denied=f"to hear its own topics ({answer.why})"))
        nonce = int.from_bytes(os.urandom(8), "big")
        for attempt in range(ASKS):
            question = Ask(nonce, attempt, GetChunks(ObjectKind.GENESIS, self._chain_id, Bitmap(0, 0)))
            number = self._link.publish(self._topics.up_ask(self._device), question.encode(), retain=False)
            answer = self.wait(lambda one, n=number: _ends(one, n), ASK_MS)  # type: ignore[misc]
            if isinstance(answer, Answered):
                return self._leave(Seen(denied=f"to ask its questions ({answer.why})"))
            if isinstance(answer, Received):
                return self._leave(Seen(answered=True))
        return self._leave(Seen())

    def _leave(self, seen: Seen) -> Seen:
        self._link.close()
        return seen

    def wait(self, wanted: Callable[[Happening], bool], wait_ms: int) -> Happening | None:
        """The first thing wanted, or the loss of the link; None when time is over."""
        end_s = time.monotonic() + wait_ms / 1000
        poller = select.poll()
        poller.register(self._link.fileno(), select.POLLIN)
        while True:
            for one in self._take():
                if wanted(one) or isinstance(one, Lost):
                    return one
            left_ms = (end_s - time.monotonic()) * 1000
            if left_ms <= 0:
                return None
            if self._link.wants_write():
                self._link.write()
            if poller.poll(left_ms):
                self._link.read()

    def _take(self) -> Iterator[Happening]:
        while self._link.happened:
            yield self._link.happened.pop(0)


def _ends(one: Happening, number: int) -> bool:
    """A validator's answer, or the server's refusal of our question."""
    return isinstance(one, Received) or (
        isinstance(one, Answered) and one.message_id == number and one.denied
    )
