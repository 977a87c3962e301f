"""The links of a simulated fleet: how long a message takes, and who is cut off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edge_client.runtime.memory import SERVER, Hop, ServerRules

BITS = 8
RECONNECT_MS_MAX = 30_000
"""After an outage, clients come back within this time, each at a moment of its own."""


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """Bits a millisecond each way, and the way there and back in milliseconds."""

    down_bits_ms: float
    up_bits_ms: float
    rtt_ms: float


LAN = LinkTimes(100_000.0, 100_000.0, 1.0)


@dataclass(slots=True)
class Network:
    """Messages of one client keep their order and share its rate; `now_ms` is the world's time. Of all
    messages to and from devices, those that `loses` names by client and number never arrive."""

    now_ms: Callable[[], int]
    loses: Callable[[str, int], bool] = lambda _client, _number: False
    links: dict[str, LinkTimes] = field(default_factory=dict)
    offline: set[str] = field(default_factory=set)
    is_server_up: bool = True
    _free_ms: dict[tuple[str, bool], float] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def rules(self) -> ServerRules:
        """For the MQTT server of the world."""
        return ServerRules(link=self._delays, may_connect=self.reaches)

    def reaches(self, client: str) -> bool:
        """Whether this client can connect to the MQTT server now."""
        return self.is_server_up and client not in self.offline

    def _delays(self, hop: Hop) -> tuple[int, ...]:
        is_up = hop.receiver == SERVER
        client = hop.sender if is_up else hop.receiver
        if client in self.links and self._loses(client):
            return ()
        times = self.links.get(client, LAN)
        bits = BITS * (hop.payload_bytes + len(hop.topic))
        now_ms = self.now_ms()
        begin_ms = max(float(now_ms), self._free_ms.get((client, is_up), 0.0))
        end_ms = begin_ms + bits / (times.up_bits_ms if is_up else times.down_bits_ms)
        self._free_ms[client, is_up] = end_ms
        return (round(end_ms + times.rtt_ms / 2) - now_ms,)

    def _loses(self, client: str) -> bool:
        number = self._counts.get(client, 0) + 1
        self._counts[client] = number
        return self.loses(client, number)
