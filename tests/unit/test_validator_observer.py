"""A node without a seat: it follows the chain, serves nobody and signs nothing."""

from __future__ import annotations

import pytest

from broker.core.consensus.log_entries import decode_log
from broker.core.validator import Validator
from edge_client.protocol.errors import Reason
from edge_client.protocol.keys import node_id
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import Ask, GetHeaders, SubmitRecord, encode_validator_say
from edge_client.protocol.votes import Certificate, Snapshot, nullify, vote
from edge_client.protocol.wake import Wake
from firmware_profiles.simulate.world import Node
from tests.builders import make_genesis, make_params, make_signers, register
from tests.lone_validator import LoneValidator, refusals
from tests.seat_rig import first_block, seats_of
from tests.simulation.fleet import add_device
from tests.simulation.world import World

VALIDATORS, DEVICES = 4, 3
SIGNERS = make_signers(VALIDATORS + 1)
OBSERVER = VALIDATORS
DEVICE = make_signers(1, "device")[0]


def world_with_devices() -> World:
    """Four validators with work to do, and a candidate that nobody elects."""
    params = make_params(k=DEVICES, k_max=2 * DEVICES, min_updates=1)
    world = World(make_genesis(VALIDATORS, params=params), SIGNERS)
    seats = seats_of(world.genesis, SIGNERS[VALIDATORS:])
    world.first_block = first_block(world.genesis, SIGNERS, seats)
    for index in range(VALIDATORS):
        world.add_validator(index)
    for number in range(DEVICES):
        add_device(world, number)
    return world


def add_observer(world: World) -> tuple[Node, list[str]]:
    """The node, and the topics it publishes on from now on."""
    node, topics = world.add_validator(OBSERVER), list[str]()
    publish = node.executors[Publish]

    def spy(effect: Publish) -> None:
        topics.append(effect.topic)
        publish(effect)

    node.executors[Publish] = spy
    return node, topics


def height_of(node: Node) -> int:
    machine = node.machine
    assert isinstance(machine, Validator)
    return machine.head.height


@pytest.mark.parametrize("late_ms", [0, 30_000])
def test_it_reaches_every_head_and_says_nothing_but_questions(late_ms: int) -> None:
    world = world_with_devices()
    world.run(late_ms)
    observer, topics = add_observer(world)
    assert world.run(600_000, lambda: height_of(observer) == height_of(world.nodes[0]) > 6)
    height = height_of(observer)
    assert world.stores[OBSERVER].header(height) == world.stores[0].header(height)
    assert {topic.rsplit("/", 1)[1] for topic in topics} == {"ask"}
    entries, _ = decode_log(world.stores[OBSERVER].load().log)
    assert all(isinstance(entry, Certificate) for entry in entries)


def test_it_hears_of_a_head_although_nothing_happens_any_more() -> None:
    world = world_with_devices()
    observer, _ = add_observer(world)
    assert world.run(600_000, lambda: height_of(observer) > 2)
    world.server.cut(observer.name)
    before = height_of(observer)
    assert world.run(600_000, lambda: height_of(world.nodes[0]) > before + 4)
    for node in world.nodes[VALIDATORS : VALIDATORS + DEVICES]:
        node.kill()
    world.run(60_000)
    world.server.heal(observer.transport)
    world.run(30_000)
    assert height_of(observer) == height_of(world.nodes[0])


# --- alone, with what others may send it ------------------------------------------------------------------


@pytest.fixture
def observer() -> LoneValidator:
    """A node whose key is not in the set of four."""
    return LoneValidator(make_genesis(VALIDATORS), number=OBSERVER)


def test_no_device_hears_from_it(observer: LoneValidator) -> None:
    before = len(observer.effects)
    for attempt in range(VALIDATORS):
        topic = observer.topics.up_ask(node_id(DEVICE.public_key))
        observer.receive(topic, Ask(1, attempt, Wake(0, 0, 1, True, ())).encode())
    observer.ask(DEVICE, SubmitRecord(register(DEVICE, observer.chain_id)))
    assert observer.effects[before:] == []


def test_a_stranger_gets_no_answer_and_its_votes_count_nothing() -> None:
    lone = LoneValidator(make_genesis(VALIDATORS))
    name = node_id(SIGNERS[OBSERVER].public_key)
    (asked,) = refusals(lone.receive(lone.topics.validator_ask(name), Ask(0, 0, GetHeaders(1, 1)).encode()))
    zero = vote(nullify(0, 1), 1, bytes(64))
    (voted,) = refusals(lone.receive(lone.topics.validator_say(name), encode_validator_say(zero)))
    assert [asked.reason, voted.reason] == [Reason.WRONG_SENDER] * 2


def test_a_later_epoch_is_only_a_reason_to_ask() -> None:
    lone = LoneValidator(make_genesis(VALIDATORS))
    lone.run(20_000)
    for sender in SIGNERS[1:]:
        ahead = vote(nullify(7, 1), 0, bytes(64))
        name, before = node_id(sender.public_key), len(lone.effects)
        lone.receive(lone.topics.validator_say(name), encode_validator_say(ahead))
        lone.receive(lone.topics.snapshot(name), Snapshot((ahead,), ()).encode())
        assert refusals(lone.effects[before:]) == []
    asks = [one for one in lone.effects if isinstance(one, Publish) and one.topic.endswith("/ask")]
    assert len(asks) == 3
