"""Where the MQTT servers are and how one client behaves towards them."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from edge_client.runtime.send_queue import QueueLimits
from edge_client.runtime.tls import TlsOptions
from edge_client.runtime.transport import Will

_PORTS = {"mqtt": 1883, "mqtts": 8883}


class ServerUrlError(Exception):
    """Not the address of an MQTT server; the text is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """One MQTT server."""

    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def parse_server(url: str) -> ServerAddress:
    """`mqtt://host[:port]` or `mqtts://host[:port]`; ServerUrlError otherwise."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ServerUrlError(f"{url!r} is not the address of an MQTT server: {error}") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username or parts.path not in {"", "/"}:
        raise ServerUrlError(f"{url!r} is not the address of an MQTT server; write mqtt[s]://HOST[:PORT]")
    return ServerAddress(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "mqtts")


@dataclass(frozen=True, slots=True)
class MqttLimits:
    """Every bound and time of the client. Defaults suit a device; validators widen the window."""

    queue: QueueLimits = field(default_factory=QueueLimits)
    window_messages: int = 4
    """Unacknowledged publishes at a time: bytes at risk on a breaking link are chunk size times this."""
    packet_bytes_max: int = 131_072
    """Of one MQTT packet that we send; a server may announce less."""
    packet_bytes_taken_max: int = 262_144
    """Of one that we take: what others send, and what servers add. A larger one costs the connection."""
    packet_bytes_needed: int = 17_408
    """A chunk (16 KiB) with topic and headers: a server that announces less cannot carry models."""
    keepalive_s: int = 60
    connect_timeout_ms: int = 10_000
    """For TCP and TLS, and again for the answer to CONNECT."""
    answer_timeout_ms: int = 60_000
    """A server that takes longer to answer SUBSCRIBE or PUBLISH is given up: a lost PUBACK must not
    close the window for ever. Long enough for a window of chunks at 32 kbit/s."""
    reconnect_wait_ms_min: int = 500
    reconnect_wait_ms_max: int = 60_000
    stable_ms: int = 5_000
    """A connection that lasted this long makes the next reconnect quick again."""
    drain_ms_max: int = 2_000
    """How long `stop` goes on sending what is queued."""


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """One client of one or more equal MQTT servers."""

    servers: tuple[ServerAddress, ...]
    """Tried in this order, round and round; all carry the same chain."""
    client_id: str
    """The node id; also the MQTT user name."""
    password: str | None = None
    tls: TlsOptions = field(default_factory=TlsOptions)
    """Used for servers whose address says mqtts."""
    will: Will | None = None
    at_most_once: tuple[str, ...] = ()
    """Filters whose messages are heard at QoS 0; those of all others, and what we send, at QoS 1."""
    limits: MqttLimits = field(default_factory=MqttLimits)
