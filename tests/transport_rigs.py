"""The three worlds in which the transport tests run: memory, the embedded server, Mosquitto.

A test asks a `Client` to `wait` for an event; a real world waits for it, the memory world pumps.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from broker.mqtt_server.acl import AccessList
from broker.mqtt_server.choose import local_server
from edge_client.protocol.machine import Acknowledged, LinkLost, LinkUp, Received, TransportEvent
from edge_client.protocol.topics import Topics
from edge_client.runtime.memory import MemoryServer, MemoryTransport, ServerRules
from edge_client.runtime.mqtt import MqttTransport
from edge_client.runtime.mqtt_options import MqttLimits, MqttOptions, ServerAddress
from edge_client.runtime.transport import Transport, Will
from tests.fault_proxy import FaultProxy

CHAIN = "c0ffee00c0ffee00"
TOPICS = Topics(CHAIN)
DEVICE, OTHER_DEVICE, VALIDATOR = "d" * 32, "e" * 32, "a" * 32
ACCESS = AccessList(CHAIN, frozenset({VALIDATOR}))
PACKET_BYTES_MAX = 131_072
WAIT_S_MAX = 60
"""Not a limit on speed: only so that a failing test ends."""

FAST = MqttLimits(reconnect_wait_ms_min=20, reconnect_wait_ms_max=100)
World = Literal["memory", "embedded", "mosquitto"]
E = TypeVar("E", LinkUp, LinkLost, Received, Acknowledged)


class Client:
    """One transport and what it delivered."""

    def __init__(self, transport: Transport, step: Callable[[], None] | None) -> None:
        self.transport = transport
        self.seen: list[TransportEvent] = []
        self._queue: queue.SimpleQueue[TransportEvent] = queue.SimpleQueue()
        self._step = step
        self._read = 0

    def start(self) -> Client:
        """Connect and wait for the link."""
        self.start_only().wait(LinkUp)
        return self

    def start_only(self) -> Client:
        """Begin to connect."""
        self.transport.start(self._queue.put)
        return self

    def wait(self, kind: type[E], condition: Callable[[E], bool] = lambda _event: True) -> E:
        """The next event, after those already waited for, that fits; others in between are passed over."""
        while True:
            if self._read == len(self.seen):
                self.seen.append(self._next())
            event = self.seen[self._read]
            self._read += 1
            if isinstance(event, kind) and condition(event):
                return event

    def payloads(self) -> list[bytes]:
        """Of all messages looked at so far."""
        return [event.payload for event in self.seen if isinstance(event, Received)]

    def tokens(self) -> dict[int, bool]:
        """Of all acknowledgements looked at so far, with their `delivered`."""
        return {event.token: event.delivered for event in self.seen if isinstance(event, Acknowledged)}

    def _next(self) -> TransportEvent:
        if self._step is None:
            return self._queue.get(timeout=WAIT_S_MAX)
        self._step()
        return self._queue.get_nowait()


class Rig(Protocol):
    """One world; `loud` when the server refuses aloud and says that nobody subscribes (MQTT 5)."""

    loud: bool

    def client(self, node: str, will: Will | None = None) -> Client:
        """A client that is not started."""
        ...

    def lose(self, client: Client) -> None:
        """Break its connection and keep it broken."""
        ...

    def black_hole(self, client: Client) -> None:
        """From now on nothing that it sends arrives, and nobody notices."""
        ...

    def heal(self, client: Client) -> None:
        """Let it connect again."""
        ...

    def restart_server(self) -> None:
        """Its memory is gone afterwards."""
        ...


class MemoryRig:
    """One `MemoryServer`."""

    loud = True

    def __init__(self) -> None:
        self._dark: set[str] = set()
        rules = ServerRules(
            link=lambda hop: () if hop.sender in self._dark else (0,),
            may_publish=ACCESS.may_publish,
            may_hear=ACCESS.may_hear,
            packet_bytes_max=PACKET_BYTES_MAX,
        )
        self._server = MemoryServer(rules)
        self._clients: list[Client] = []

    def client(self, node: str, will: Will | None = None) -> Client:
        client = Client(MemoryTransport(self._server, node, will), lambda: _pump(self._server))
        self._clients.append(client)
        return client

    def lose(self, client: Client) -> None:
        self._server.cut(_memory(client).client_id)

    def black_hole(self, client: Client) -> None:
        self._dark.add(_memory(client).client_id)

    def heal(self, client: Client) -> None:
        self._dark.discard(_memory(client).client_id)
        self._server.heal(_memory(client))

    def restart_server(self) -> None:
        self._server.restart()
        for client in self._clients:
            self._server.heal(_memory(client))


class ProcessRig:
    """A server process, and a fault proxy before each client."""

    def __init__(self, choice: Literal["embedded", "mosquitto"], folder: Path, stack: ExitStack) -> None:
        self.loud = choice == "mosquitto"
        self._stack = stack
        self._server = local_server(choice, folder, ACCESS)
        self._server.start()
        stack.callback(self._server.stop)
        self._proxies: dict[int, FaultProxy] = {}

    def client(self, node: str, will: Will | None = None) -> Client:
        proxy = FaultProxy((self._server.address.host, self._server.address.port))
        proxy.start()
        self._stack.callback(proxy.stop)
        servers = (ServerAddress("127.0.0.1", proxy.port),)
        transport = MqttTransport(MqttOptions(servers, node, will=will, limits=FAST))
        self._stack.callback(transport.stop)
        client = Client(transport, None)
        self._proxies[id(client)] = proxy
        return client

    def lose(self, client: Client) -> None:
        self._proxies[id(client)].refuse(True)
        self._proxies[id(client)].cut()

    def black_hole(self, client: Client) -> None:
        self._proxies[id(client)].pause()

    def heal(self, client: Client) -> None:
        self._proxies[id(client)].resume()
        self._proxies[id(client)].refuse(False)

    def restart_server(self) -> None:
        self._server.kill()
        self._server.start()


@contextmanager
def open_rig(name: World, folder: Path) -> Iterator[Rig]:
    """`memory`, `embedded` or `mosquitto`; everything it started is gone afterwards."""
    with ExitStack() as stack:
        yield MemoryRig() if name == "memory" else ProcessRig(name, folder, stack)


def _memory(client: Client) -> MemoryTransport:
    assert isinstance(client.transport, MemoryTransport)
    return client.transport


def _pump(server: MemoryServer) -> None:
    server.pump(server.now_ms)
