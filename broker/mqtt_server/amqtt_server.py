"""The child process of the embedded MQTT server: `python -m broker.mqtt_server.amqtt_server SETTINGS.json`.

It ends at SIGTERM, and when its standard input closes: nothing is left running when its parent dies.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from amqtt.adapters import (  # type: ignore[import-untyped]
    StreamReaderAdapter,
    StreamWriterAdapter,
)
from amqtt.broker import Broker  # type: ignore[import-untyped]
from amqtt.contexts import Action  # type: ignore[import-untyped]
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin  # type: ignore[import-untyped]

from broker.mqtt_server.acl import AccessList, is_node_id
from broker.mqtt_server.mosquitto import PACKET_BYTES_MAX
from broker.mqtt_server.process import LOOPBACK

FIRST_PACKET_S_MAX = 10
MQTT_5 = 5
CONNACK_UNSUPPORTED_VERSION = bytes([0x20, 2, 0, 1])


@dataclass
class AccessSettings:
    """What amqtt hands to a plugin: the fields of our `AccessList`."""

    chain: str = ""
    validators: list[str] = field(default_factory=list)


class NodeNamesPlugin(BaseAuthPlugin):  # type: ignore[misc]
    """Lets in who gives one node id as user name and client id, with a last will that it may publish.

    amqtt publishes a will without asking its topic plugins, so the will is checked here.
    """

    Config = AccessSettings

    async def authenticate(self, *, session: Any) -> bool:
        """Whether this client may connect."""
        name = session.username
        if not isinstance(name, str) or not is_node_id(name) or session.client_id != name:
            return False
        return not session.will_flag or _access(self.config).may_publish(name, session.will_topic)


class AccessListPlugin(BaseTopicPlugin):  # type: ignore[misc]
    """Applies the access list to every publish, subscription and delivery."""

    Config = AccessSettings

    async def topic_filtering(
        self, *, session: Any = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Whether `session` may do this."""
        if session is None or topic is None:
            return False
        access = _access(self.config)
        if action == Action.PUBLISH:
            return access.may_publish(session.username, topic)
        return access.may_hear(session.username, topic)


def _access(settings: AccessSettings) -> AccessList:
    return AccessList(settings.chain, frozenset(settings.validators))


class FirstBytesReader(StreamReaderAdapter):  # type: ignore[misc]
    """Gives back the bytes that were looked at before amqtt took the connection over, and refuses to take a
    payload that is larger than anybody's: clients would leave us over it."""

    def __init__(self, reader: asyncio.StreamReader, first: bytes) -> None:
        super().__init__(reader)
        self._first = first

    async def read(self, n: int = -1) -> bytes:
        """Exactly `n` bytes, as amqtt expects. After an error of a kind that it does not know, it closes the
        connection; after one of the network it would read on in the middle of the packet."""
        if n > PACKET_BYTES_MAX:
            raise ValueError(f"a packet with {n} bytes, at most {PACKET_BYTES_MAX}")
        taken, self._first = self._first[:n], self._first[n:]
        rest: bytes = await super().read(n - len(taken)) if len(taken) < n else b""
        return taken + rest


async def admit(server: Broker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Refuse MQTT 5 in the words of MQTT 3.1.1, hand everybody else to amqtt.

    amqtt itself misreads an MQTT 5 CONNECT that carries a user name and waits for more of it, for ever.
    """
    try:
        first = await asyncio.wait_for(_connect_until_level(reader), FIRST_PACKET_S_MAX)
    except (OSError, EOFError, asyncio.TimeoutError):
        writer.close()
        return
    if first[-1] == MQTT_5:
        writer.write(CONNACK_UNSUPPORTED_VERSION)
        writer.close()
        return
    await server.external_connected(FirstBytesReader(reader, first), StreamWriterAdapter(writer), "default")


async def _connect_until_level(reader: asyncio.StreamReader) -> bytes:
    """The packet type, the remaining length (1 to 4 bytes), the protocol name and its level."""
    first = await reader.readexactly(2)
    while first[-1] & 0x80 and len(first) < 5:
        first += await reader.readexactly(1)
    return first + await reader.readexactly(len(b"\0\4MQTT") + 1)


class OwnRetainedBroker(Broker):  # type: ignore[misc]
    """amqtt hands every newcomer the retained messages of everybody, past the access list."""

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Any
    ) -> None:
        hearers = self._subscriptions.get(subscription[0], ())
        if any(one.client_id == session.client_id for one, _ in hearers):
            await super()._publish_retained_messages_for_subscription(subscription, session)


async def serve(settings_file: Path) -> None:
    """Run until SIGTERM or the end of standard input; SIGHUP reads who the validators are again."""
    settings = _read(settings_file)
    here = f"{NodeNamesPlugin.__module__}."
    access = {"chain": settings["chain"], "validators": settings["validators"]}
    config = {
        "listeners": {"default": {"type": "external"}},
        "plugins": {here + plugin.__name__: access for plugin in (NodeNamesPlugin, AccessListPlugin)},
    }
    ended = asyncio.Event()
    server = OwnRetainedBroker(config)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # a Ctrl-C is the parent's to handle
    loop.add_signal_handler(signal.SIGHUP, partial(_reload, server, settings_file))
    loop.add_reader(sys.stdin, ended.set)  # nothing is ever written to it: readable means closed
    await server.start()
    await asyncio.start_server(partial(admit, server), LOOPBACK, settings["port"])
    await ended.wait()
    os._exit(0)  # nothing is kept, and amqtt's own shutdown may wait for its clients


def _read(settings_file: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(settings_file.read_text(encoding="utf-8"))
    return settings


def _reload(server: Broker, settings_file: Path) -> None:
    validators = _read(settings_file)["validators"]
    for plugin in server.plugins_manager.plugins:
        plugin.config.validators = validators


def main() -> None:
    """Entry point of the child process."""
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(serve(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
