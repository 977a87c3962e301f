from __future__ import annotations

import pytest

from edge_client.protocol.machine import Acknowledged, LinkLost, LinkUp, Publish, Received, TransportEvent
from edge_client.runtime.fan import FanTransport
from edge_client.runtime.memory import MemoryServer, MemoryTransport, ServerRules


class World:
    """Two servers, a validator on both, a listener on each."""

    def __init__(self) -> None:
        self.rules = [ServerRules(), ServerRules()]
        self.servers = [MemoryServer(rules) for rules in self.rules]
        self.parts = [MemoryTransport(server, "val") for server in self.servers]
        self.fan = FanTransport(self.parts)
        self.seen: list[TransportEvent] = []
        self.fan.start(self.seen.append)
        self.heard: list[list[TransportEvent]] = [[], []]
        for server, heard in zip(self.servers, self.heard, strict=True):
            listener = MemoryTransport(server, "dev")
            listener.subscribe(("t",))
            listener.start(heard.append)
        self.pump()
        for heard in (self.seen, *self.heard):
            heard.clear()

    def pump(self) -> None:
        for server in self.servers:
            server.pump(0)


@pytest.fixture
def world() -> World:
    return World()


def test_everything_goes_to_and_comes_from_both(world: World) -> None:
    world.fan.publish(Publish("t", b"down"))
    world.fan.subscribe(("up",))
    world.pump()
    assert world.heard == [[Received("t", b"down")]] * 2
    for server in world.servers:
        sender = MemoryTransport(server, "sender")
        sender.start(lambda _event: None)
        sender.publish(Publish("up", b"x"))
    world.pump()
    assert world.seen == [Received("up", b"x")] * 2
    assert world.fan.traffic.up_bytes == 8


def test_a_token_is_answered_once(world: World) -> None:
    world.fan.publish(Publish("t", b"x", token=7))
    world.pump()
    assert world.seen == [Acknowledged(7, delivered=True)]


def test_not_delivered_only_when_no_server_delivered(world: World) -> None:
    world.fan.publish(Publish("nobody", b"x", token=7))
    world.servers[0].pump(0)
    assert world.seen == []
    world.servers[1].pump(0)
    assert world.seen == [Acknowledged(7, delivered=False)]


def test_one_server_less_is_no_lost_link(world: World) -> None:
    world.servers[0].cut("val")
    world.fan.publish(Publish("t", b"x", token=1))
    world.pump()
    assert world.seen == [Acknowledged(1, delivered=True)]
    world.servers[1].cut("val")
    assert world.seen[1:] == [LinkLost("cut")]
    world.servers[0].heal(world.parts[0])
    world.servers[1].heal(world.parts[1])
    world.pump()
    assert world.seen[2:] == [LinkUp("memory")] * 2


def test_a_token_under_way_on_the_server_that_broke(world: World) -> None:
    world.fan.publish(Publish("nobody", b"x", token=1))
    world.servers[1].pump(0)
    world.servers[0].cut("val")
    assert world.seen == [Acknowledged(1, delivered=False)]


def test_tokens_are_void_when_the_last_link_is_lost(world: World) -> None:
    world.fan.publish(Publish("t", b"x", token=1))
    world.servers[0].cut("val")
    world.servers[1].cut("val")
    assert world.seen == [LinkLost("cut")]
    assert world.fan._open == {}
