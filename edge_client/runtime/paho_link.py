"""One MQTT connection through paho: the only module that knows paho.

A link is used by one thread and for one connection; the next connection gets a new one. So nothing that paho
keeps for its own reconnects outlives the connection (above all unacknowledged messages, which it would send
first for ever, even those that the server refuses). Callbacks only note in `PahoLink.happened` what happened;
the owner reads it after each call.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any

from paho.mqtt.client import (
    MQTT_ERR_SUCCESS,
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
    MQTTv5,
    MQTTv311,
)
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_client.protocol.machine import Received
from edge_client.runtime.link_fault import (
    TAKEN_OVER,
    UNANSWERED_TLS,
    LinkFault,
    handshake_fault,
    login_fault,
)
from edge_client.runtime.mqtt_options import MqttOptions, ServerAddress
from edge_client.runtime.wire import wire_bytes

QOS = 1
_REFUSED = 0x80
_NOBODY_SUBSCRIBED = 0x10
_UNSUPPORTED_VERSION = 0x84
_SESSION_TAKEN_OVER = 0x8E
_UNSPECIFIED = 0x80
"""What paho calls a connection that ends without a word of the server."""
_TLS_REASON = re.compile(r"\[SSL: ([A-Z0-9_]+)\]")
_READS_MAX = 64
"""Packets taken from the socket before the owner gets a look at them."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took our CONNECT; limits as far as it announced them (MQTT 5)."""

    packet_bytes_max: int | None
    receive_max: int | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The server answered the publish or subscribe with this message id."""

    message_id: int
    denied: bool
    """Refused aloud; MQTT 3.1.1 has no such answer to a publish."""
    delivered: bool
    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone, or was never accepted."""

    why: str
    wrong_version: bool = False
    fault: LinkFault | None = None
    """For the owner, when there is something to do."""


Happening = Accepted | Answered | Received | Lost


class OversizeError(Exception):
    """The server announced a packet beyond our bound."""


class _BoundedClient(Client):
    """paho reads packets of up to 256 MiB into memory, and what it asks the socket for is the only place to
    see one coming."""

    packet_bytes_max = 0

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > self.packet_bytes_max:
            raise OversizeError(f"{bufsize} bytes, at most {self.packet_bytes_max}")
        return super()._sock_recv(bufsize)


class PahoLink:
    """One connection, from TCP connect to loss."""

    def __init__(self, options: MqttOptions, version: int, context: ssl.SSLContext | None) -> None:
        self.happened: list[Happening] = []
        self.lost = False
        self._refused: LinkFault | None = None if context is None else UNANSWERED_TLS
        """What a loss means; until CONNECT is answered."""
        self._options = options
        clean = True if version == 4 else None  # MQTT 5 says it per connection
        protocol = MQTTv311 if version == 4 else MQTTv5
        client = _BoundedClient(
            CallbackAPIVersion.VERSION2, options.client_id, clean, None, protocol, reconnect_on_failure=False
        )
        client.username_pw_set(options.client_id, options.password)
        if (will := options.will) is not None:
            client.will_set(will.topic, will.payload, QOS, retain=True)
        if context is not None:
            client.tls_set_context(context)
        client.packet_bytes_max = options.limits.packet_bytes_taken_max
        client.connect_timeout = options.limits.connect_timeout_ms / 1000
        client.max_inflight_messages_set(0)  # the session keeps the window
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_log = self._on_log
        self._client = client
        self._version = version

    def open(self, address: ServerAddress) -> None:
        """TCP connect, TLS handshake, CONNECT; blocks up to the connect time-out. OSError when it fails."""
        # No CONNECT properties: amqtt takes them for the client id and never answers, so that a fallback to
        # MQTT 3.1.1 would have to wait for the time-out.
        arguments: dict[str, Any] = {}
        if self._version == 5:
            announced = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            announced.MaximumPacketSize = self._options.limits.packet_bytes_taken_max
            arguments = {"clean_start": True, "properties": announced}
        self._client.connect(address.host, address.port, self._options.limits.keepalive_s, **arguments)
        connection: Any = self._client.socket()
        if connection is not None:
            # Votes are small and follow one another: Nagle's algorithm would hold each back for the server's
            # delayed acknowledgement, up to 40 ms.
            connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)

    def fileno(self) -> int:
        """The socket, for poll; -1 when there is none."""
        socket = self._client.socket()
        return -1 if socket is None else socket.fileno()

    def wire_bytes(self) -> tuple[int, int] | None:
        """What the connection carried so far, up and down, if the kernel tells and it is not closed."""
        connection: Any = self._client.socket()
        return None if self.lost or connection is None else wire_bytes(connection)

    def wants_write(self) -> bool:
        """Whether bytes wait for the socket to take them."""
        return self._client.want_write()

    def read(self) -> None:
        """Take what has come."""
        for _ in range(_READS_MAX):
            self._run(self._client.loop_read)
            # Bytes that TLS has decrypted already are invisible to poll.
            pending = getattr(self._client.socket(), "pending", None)
            if self.lost or pending is None or not pending():
                return

    def write(self) -> None:
        """Send what waits."""
        self._run(self._client.loop_write)

    def keep_alive(self) -> None:
        """Ping when it is time, and notice a server that does not answer; call every quarter keep-alive."""
        self._run(self._client.loop_misc)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> int:
        """Send one message at QoS 1; returns its message id."""
        message_id = 0

        def send() -> int:
            nonlocal message_id
            info = self._client.publish(topic, payload, QOS, retain)
            message_id = info.mid
            return info.rc

        self._run(send)
        return message_id

    def subscribe(self, filters: tuple[str, ...]) -> int:
        """Ask for these filters; returns the message id that the answer will carry."""
        message_id = 0

        def send() -> int:
            nonlocal message_id
            levels = [(name, 0 if name in self._options.at_most_once else QOS) for name in filters]
            topics: list[Any] = [
                (name, SubscribeOptions(qos) if self._version == 5 else qos) for name, qos in levels
            ]
            result, answered = self._client.subscribe(topics)
            message_id = answered or 0
            return result

        self._run(send)
        return message_id

    def unsubscribe(self, filters: tuple[str, ...]) -> None:
        """Ask no longer for these filters; the answer means nothing to us."""
        self._run(lambda: self._client.unsubscribe(list(filters))[0])

    def close(self) -> None:
        """Say goodbye, so that the server keeps our last will to itself."""
        self._run(self._client.disconnect)
        self._fail("closed")

    def give_up(self, why: str) -> None:
        """Break the connection without a goodbye: to the server it is lost."""
        self._fail(why)

    def _run(self, step: Callable[[], int]) -> None:
        """Every call into paho: it answers with a code, or raises on a packet that it cannot parse."""
        if self.lost:
            return
        try:
            code = step()
        except Exception as error:  # noqa: BLE001 - bytes of a server that nobody trusts; ours are only noted
            self._fail(f"{type(error).__name__} while handling a packet: {error}")
            return
        if code != MQTT_ERR_SUCCESS:
            self._fail(f"MQTT error {int(code)}")

    def _fail(self, why: str, *, wrong_version: bool = False, fault: LinkFault | None = None) -> None:
        """Idempotent: paho reports some losses twice."""
        if self.lost:
            return
        self.lost = True
        self.happened.append(Lost(why, wrong_version, fault))
        socket = self._client.socket()
        if socket is not None:
            socket.close()

    def _on_connect(
        self,
        _client: Client,
        _data: Any,
        _flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            fault = login_fault(str(reason))
            self._fail(fault.why, wrong_version=reason.value == _UNSUPPORTED_VERSION, fault=fault)
            return
        self._client.on_log = self._refused = None
        packet_bytes_max = getattr(properties, "MaximumPacketSize", None)
        receive_max = getattr(properties, "ReceiveMaximum", None)
        self.happened.append(Accepted(packet_bytes_max, receive_max))

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        fault = TAKEN_OVER if reason.value == _SESSION_TAKEN_OVER else self._refused
        why = "the connection broke" if reason.value == _UNSPECIFIED else str(reason)
        self._fail(why if fault is None else fault.why, fault=fault)

    def _on_log(self, _client: Client, _data: Any, _level: int, text: str) -> None:
        """Until the server accepts us: paho says here only that TLS failed while reading."""
        if (found := _TLS_REASON.search(text)) is not None:
            self._refused = handshake_fault(found[1])

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.happened.append(Received(message.topic, bytes(message.payload)))

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        denied = reason.value >= _REFUSED
        delivered = not denied and reason.value != _NOBODY_SUBSCRIBED
        self.happened.append(Answered(mid, denied, delivered, str(reason)))

    def _on_subscribe(
        self, _client: Client, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        denied = [reason for reason in reasons if reason.value >= _REFUSED]
        self.happened.append(Answered(mid, bool(denied), not denied, ", ".join(map(str, denied))))
