from __future__ import annotations

import random

from edge_client.protocol.machine import Acknowledged, LinkLost, LinkUp, Publish, Received, TransportEvent
from edge_client.runtime.memory import SERVER, Hop, MemoryServer, MemoryTransport, ServerRules
from edge_client.runtime.send_queue import QueueLimits


def join(server: MemoryServer, name: str, *filters: str) -> tuple[MemoryTransport, list[TransportEvent]]:
    seen: list[TransportEvent] = []
    transport = MemoryTransport(server, name)
    transport.subscribe(filters)
    transport.start(seen.append)
    server.pump(server.now_ms)
    assert seen == [LinkUp("memory")]
    seen.clear()
    return transport, seen


def test_nothing_moves_before_its_time() -> None:
    server = MemoryServer(ServerRules(link=lambda hop: (30,) if hop.receiver == SERVER else (5,)))
    sender, answers = join(server, "a")
    _, heard = join(server, "b", "t")
    sender.publish(Publish("t", b"x", token=1))
    assert server.due_ms() == 30
    server.pump(29)
    assert (heard, answers) == ([], [])
    server.pump(30)
    assert (heard, answers) == ([], [Acknowledged(1, delivered=True)])
    assert server.due_ms() == 35
    server.pump(35)
    assert heard == [Received("t", b"x")]
    assert server.due_ms() is None


def test_rules_lose_duplicate_and_reorder() -> None:
    delays = {b"lost": (), b"twice": (0, 50), b"late": (20,), b"soon": (10,)}
    server = MemoryServer(ServerRules(link=lambda hop: delays[fate(hop)] if hop.receiver == SERVER else (0,)))
    names = list(delays)

    def fate(hop: Hop) -> bytes:
        return names[hop.payload_bytes - 1]

    sender, answers = join(server, "a")
    _, heard = join(server, "b", "t")
    for size in range(1, 5):
        sender.publish(Publish("t", bytes(size), token=size))
    server.pump(100)
    assert [len(event.payload) for event in heard if isinstance(event, Received)] == [2, 4, 3, 2]
    assert answers == [Acknowledged(token, delivered=True) for token in (2, 4, 3)]


def test_the_same_seed_gives_the_same_history() -> None:
    def history(seed: int) -> list[TransportEvent]:
        rng = random.Random(seed)
        server = MemoryServer(
            ServerRules(link=lambda _hop: tuple(rng.choices(range(50), k=rng.randrange(3))))
        )
        sender, answers = join_lossy(server, "a")
        _, heard = join_lossy(server, "b", "t")
        for number in range(100):
            sender.publish(Publish("t", bytes([number]), token=number))
        server.pump(1000)
        return answers + heard

    assert history(1) == history(1)
    assert history(1) != history(2)


def join_lossy(
    server: MemoryServer, name: str, *filters: str
) -> tuple[MemoryTransport, list[TransportEvent]]:
    seen: list[TransportEvent] = []
    transport = MemoryTransport(server, name)
    transport.subscribe(filters)
    transport.start(seen.append)
    server.pump(server.now_ms)
    return transport, seen


def test_what_was_under_way_when_the_link_broke_is_sent_again_or_forgotten() -> None:
    server = MemoryServer(ServerRules(link=lambda _hop: (10,)))
    sender, seen = join(server, "a")
    _, heard = join(server, "b", "t")
    sender.publish(Publish("t", b"plain"))
    sender.publish(Publish("t", b"token", token=1))
    server.cut("a")
    assert seen == [LinkLost("cut")]
    server.heal(sender)
    server.pump(100)
    assert heard == [Received("t", b"plain")]
    assert seen == [LinkLost("cut"), LinkUp("memory")]
    assert sender.traffic.dropped_unlinked_count == 1


def test_the_queue_of_a_client_that_is_down_is_bounded() -> None:
    server = MemoryServer()
    transport = MemoryTransport(server, "a", limits=QueueLimits(messages_max=3))
    for _ in range(5):
        transport.publish(Publish("t", b"x"))
    assert transport.traffic.dropped_full_count == transport.traffic.dropped_count == 2


def test_the_same_name_again_takes_the_session_over() -> None:
    server = MemoryServer()
    _, first = join(server, "a", "t")
    second, heard = join(server, "a", "t")
    second.publish(Publish("t", b"x"))
    server.pump(0)
    assert first == [LinkLost("session taken over")]
    assert heard == [Received("t", b"x")]


def test_a_client_hears_what_it_is_subscribed_to_when_the_connection_is_there() -> None:
    server = MemoryServer()
    sender, _ = join(server, "a")
    sender.publish(Publish("old", b"1", retain=True))
    sender.publish(Publish("new", b"2", retain=True))
    server.pump(server.now_ms)
    receiver, heard = join(server, "b")
    receiver.subscribe(("old",))
    server.pump(server.now_ms)
    receiver.sleep()
    heard.clear()
    receiver.wake()
    receiver.unsubscribe(("old",))
    receiver.subscribe(("new",))
    server.pump(server.now_ms)
    assert [one.payload for one in heard if isinstance(one, Received)] == [b"2"]
