"""[EVI-5]: a validator that contradicts itself is convicted on every honest chain, an honest one never."""

from __future__ import annotations

import pytest

from broker.core.effects import StoreEvidence
from edge_client.protocol.keys import node_id
from edge_client.protocol.machine import Publish, Received
from edge_client.protocol.messages import encode_validator_say
from edge_client.protocol.topics import Topics
from edge_client.protocol.votes import Subject, Vote, VoteKind, vote
from edge_client.runtime.memory import MemoryTransport
from firmware_profiles.simulate.world import Node
from tests.builders import make_genesis, make_params, make_signers
from tests.simulation.fleet import add_device
from tests.simulation.world import World

VALIDATORS, CHEAT = 4, 3


def quiet_world() -> tuple[World, list[Node]]:
    """Three honest validators of four with nothing to do."""
    world = World(make_genesis(VALIDATORS, params=make_params()), make_signers(VALIDATORS))
    honest = [world.add_validator(index) for index in range(VALIDATORS) if index != CHEAT]
    world.run(1_000)
    return world, honest


def said(world: World, mark: int, slot: int = 1) -> tuple[str, bytes]:
    """The cheat notarises block `mark` of a slot: topic and payload."""
    signer, chain_id = world.signers[CHEAT], world.rules.chain_id
    subject = Subject(VoteKind.NOTARIZE, 0, slot, 1, bytes([mark]) * 32)
    cast: Vote = vote(subject, CHEAT, signer.sign(subject.signing_bytes(chain_id)))
    topic = Topics.of(chain_id).validator_say(node_id(signer.public_key))
    return topic, encode_validator_say(cast)


def convicted(world: World) -> set[int]:
    return {one.head.state.seats.convicted for one in world.validators()}


def test_what_everybody_saw_is_on_the_chain_once() -> None:
    world, _ = quiet_world()
    liar = MemoryTransport(world.server, node_id(world.signers[CHEAT].public_key))
    liar.start(lambda _event: None)
    for mark in (1, 2, 3):
        liar.publish(Publish(*said(world, mark)))
    assert world.run(60_000, lambda: convicted(world) == {1 << CHEAT})
    height = max(one.head.height for one in world.validators())
    for mark in (4, 5):
        liar.publish(Publish(*said(world, mark, slot=height + 1)))
    world.run(120_000)
    assert {one.head.height for one in world.validators()} == {height}, "a convicted key costs no more blocks"
    assert all(not world.stores[index].load().evidence for index in range(VALIDATORS - 1))


@pytest.mark.parametrize("crash", [False, True], ids=["alive", "crashed"])
def test_what_one_validator_saw_reaches_the_chain_also_over_a_crash(crash: bool) -> None:
    """Only validator 0 hears both votes, and nothing else makes a block due."""
    world, honest = quiet_world()
    for mark in (1, 2):
        for effect in honest[0].machine.handle(Received(*said(world, mark)), world.now_ms):
            if isinstance(effect, StoreEvidence) or not crash:
                honest[0].executors[type(effect)](effect)
    assert len(world.stores[0].load().evidence) == 1
    if crash:
        honest[0].kill()
        world.run(5_000)
        assert convicted(world) == {0}
        world.add_validator(0)
    assert world.run(120_000, lambda: convicted(world) == {1 << CHEAT})


def test_a_forged_pair_convicts_nobody() -> None:
    world, honest = quiet_world()
    topic, payload = said(world, 1)
    _, other = said(world, 2)
    for node in honest:
        for data in (payload, other[:-64] + bytes(64)):
            node.post(Received(topic, data))
    world.run(60_000)
    assert convicted(world) == {0}
    assert world.evidence == []


def test_honest_validators_accuse_nobody() -> None:
    """Also when one is killed in the middle of a slot and comes back."""
    world = World(make_genesis(VALIDATORS, params=make_params()), make_signers(VALIDATORS))
    nodes = [world.add_validator(index) for index in range(VALIDATORS)]
    for number in range(2):
        add_device(world, number)
    for index in range(VALIDATORS):
        world.run(7_300)
        nodes[index].kill()
        world.run(3_100)
        world.add_validator(index)
    world.run(60_000)
    assert min(one.head.height for one in world.validators()) > 3
    assert convicted(world) == {0}
    assert world.evidence == []
