"""Validators with a short body window: who comes late goes on from a checkpoint, nobody waits for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from broker.core.guard import LISTEN_FIRST, Standing
from broker.core.validator import Validator
from edge_client.core.events import Fate
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.keys import node_id
from edge_client.protocol.machine import Note, Publish
from edge_client.runtime.memory import Hop, ServerRules
from firmware_profiles.simulate.world import Node
from tests.builders import make_signers
from tests.simulation.fleet import DeviceNode, add_device
from tests.simulation.test_fleet_world import heads, make_fleet, rounds
from tests.simulation.world import World

WINDOW = 6
REJOINING = Standing(is_rejoining=True)
ROUND_MS = 60_000


def make_world() -> World:
    """Four validators and three devices; rounds close as fast as devices train."""
    world = make_fleet(4, 3, staleness_max=1, body_window=WINDOW)
    assert world.run(600_000, lambda: min(rounds(world)) > 1)
    return world


def validator(world: World, index: int) -> Node:
    """The running node of a validator."""
    key = world.signers[index].public_key
    return next(node for node in world.nodes if node.key == key)


def head_of(world: World, index: int) -> int:
    """Height of a running validator."""
    machine = validator(world, index).machine
    assert isinstance(machine, Validator)
    return machine.head.height


def go_on(world: World, count: int) -> None:
    """So many rounds more."""
    before = max(rounds(world))
    assert world.run(2 * count * ROUND_MS, lambda: max(rounds(world)) >= before + count), rounds(world)


def together(world: World) -> Callable[[], bool]:
    """All validators at one height."""
    return lambda: len({one.head.hash for one in world.validators()}) == 1


def notes(node: Node, event: str) -> list[Note]:
    """What a node said of one event."""
    return [one for one in node.notes if one.event == event]


def comes_back(world: World, index: int) -> Node:
    """Start it, after a lost disk to rejoin, and wait until it has the head of the others."""
    standing = LISTEN_FIRST if index in world.stores else REJOINING
    node = world.add_validator(index, standing)
    others = [one for one in world.validators() if one is not node.machine]
    assert world.run(300_000, lambda: head_of(world, index) >= max(one.head.height for one in others)), (
        head_of(world, index),
        node.refused,
    )
    return node


def test_bodies_go_and_rounds_go_on() -> None:
    world = make_world()
    go_on(world, 3 * WINDOW)
    for index, store in world.stores.items():
        height = head_of(world, index)
        assert [store.has_update(root) for root in updates_of(world, index, 2)] == [False] * 3
        assert all(store.has_update(root) for root in updates_of(world, index, height - 1))
        assert store.checkpoint() is not None


def updates_of(world: World, index: int, height: int) -> list[bytes]:
    """Roots of the updates in a final block, by a validator's index of inclusions."""
    store = world.stores[index]
    return [root for root, (at, _) in store.inclusions() if at == height]


@pytest.mark.parametrize("wiped", [False, True], ids=["its disk is old", "its disk is empty"])
def test_a_validator_that_was_away_longer_than_the_window_goes_on_from_a_checkpoint(wiped: bool) -> None:
    world = make_world()
    validator(world, 2).kill()
    go_on(world, 3 * WINDOW)
    if wiped:
        del world.stores[2]
    node = comes_back(world, 2)
    assert len(notes(node, "checkpoint_installed")) == 1
    assert world.run(300_000, lambda: {"phase": "signing"} in [one.fields for one in notes(node, "phase")])
    go_on(world, 1)
    validator(world, 3).kill()  # now nothing is decided without it
    go_on(world, 3)
    assert world.run(60_000, together(world))
    assert not node.refused


def test_a_validator_that_was_away_for_less_executes_every_block() -> None:
    world = make_world()
    validator(world, 2).kill()
    go_on(world, WINDOW - 2)
    node = comes_back(world, 2)
    assert not notes(node, "checkpoint_installed")
    assert len(notes(node, "block_final")) >= WINDOW - 2


def test_blocks_passed_over_come_afterwards_so_that_old_updates_are_proven_there_too() -> None:
    world = make_world()
    validator(world, 2).kill()
    go_on(world, 2 * WINDOW)
    del world.stores[2]
    comes_back(world, 2)
    store = world.stores[2]
    assert world.run(120_000, lambda: store.lacking() is None)
    assert dict(store.inclusions()) == dict(world.stores[1].inclusions())
    assert not any(store.has_update(root) for root in updates_of(world, 2, 2))


def test_its_chain_is_the_one_of_the_others_and_can_be_proven() -> None:
    world = make_world()
    validator(world, 2).kill()
    go_on(world, 2 * WINDOW)
    del world.stores[2]
    comes_back(world, 2)
    go_on(world, 2)
    assert world.run(60_000, together(world))
    height = head_of(world, 2)
    own, other = world.stores[2], world.stores[1]
    for at in range(1, height + 1):
        assert own.header(at) == other.header(at)
    assert own.mmr_node(2 * height - 8) == other.mmr_node(2 * height - 8)


def test_a_validator_that_serves_no_bodies_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    validator(world, 2).kill()
    go_on(world, 2 * WINDOW)

    def silent(kind: ObjectKind, root: bytes, index: int) -> None:
        return None

    monkeypatch.setattr(world.stores[0], "piece", silent)
    del world.stores[2]
    node = comes_back(world, 2)
    assert notes(node, "checkpoint_installed")


def test_a_block_whose_bodies_only_its_leader_has_gets_no_vote() -> None:
    """Its slots end, the chain waits; once the leader hands the bodies out, the round is closed with them."""
    withheld = [True]
    names = [node_id(one.public_key) for one in make_signers(4)]

    def link(hop: Hop) -> tuple[int, ...]:
        is_offer = "/up/" in hop.topic and not hop.topic.endswith("/ask") and hop.receiver in names[1:]
        is_body = hop.sender == names[0] and "/val/" in hop.topic and "/chunk/" in hop.topic
        hides = is_body and world.stores[0].has_update(bytes.fromhex(hop.topic.split("/")[-2]))
        return () if withheld[0] and (is_offer or hides) else (1,)

    world = make_fleet(4, 3, ServerRules(link=link), staleness_max=1, body_window=WINDOW)
    first = validator(world, 0)
    assert world.run(300_000, lambda: len(notes(first, "proposed")) > 1)
    proposed = len(notes(first, "proposed"))
    world.run(120_000)
    assert rounds(world) == {1}
    assert len(notes(first, "proposed")) > proposed
    withheld[0] = False
    assert world.run(300_000, lambda: min(rounds(world)) > 2)
    assert world.run(60_000, together(world))


def test_a_device_that_slept_over_the_window_fetches_head_and_model_and_its_update_has_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = make_world()
    sleeper = next(node for node in world.nodes if isinstance(node, DeviceNode) and node.number == 0)
    publish = sleeper.transport.publish

    def offers_nothing(message: Publish) -> None:
        if "/head/" not in message.topic:
            publish(message)

    monkeypatch.setitem(sleeper.executors, Publish, offers_nothing)
    before = set(sleeper.disk.updates)
    assert world.run(300_000, lambda: bool(set(sleeper.disk.updates) - before))
    (root,) = set(sleeper.disk.updates) - before
    sleeper.kill()
    go_on(world, 3 * WINDOW)
    again = add_device(world, 0, sleeper.disk)
    assert world.run(300_000, lambda: root in again.disk.fates)
    assert again.disk.fates[root].fate == Fate.EXPIRED
    before = set(again.disk.updates)
    assert world.run(600_000, lambda: bool(set(again.disk.updates) - before)), again.refused
    world.run(5_000)
    assert len(heads(world)) == 1
