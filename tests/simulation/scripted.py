"""Devices that do what a test tells them, and believe what they hear: no agents, no light client."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from broker.core.validator import Validator
from edge_client.protocol.chunks import split
from edge_client.protocol.keys import node_id
from edge_client.protocol.machine import Publish, Received
from edge_client.protocol.messages import Ask, Receipt, SubmitRecord, decode_say
from edge_client.protocol.topics import Topics
from edge_client.protocol.wake import Wake
from edge_client.runtime.memory import MemoryTransport
from tests.builders import MadeUpdate, make_genesis, make_params, make_signers, make_update, register
from tests.simulation.world import World


class Device:
    """A scripted device: publishes what a test tells it to and keeps what it hears."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.signer = make_signers(number + 1, "device")[number]
        self.name = node_id(self.signer.public_key)
        self.topics = Topics.of(world.rules.chain_id)
        self.heard: list[object] = []
        self.transport = MemoryTransport(world.server, self.name)
        self.transport.subscribe(self.topics.device_filters(self.name))
        self.transport.start(self._hear)

    def _hear(self, event: object) -> None:
        if isinstance(event, Received) and event.topic.endswith("/say"):
            self.heard.append(decode_say(event.payload))

    def join(self) -> None:
        record = register(self.signer, self.world.rules.chain_id)
        ask = Ask(1, 0, SubmitRecord(record))
        self.transport.publish(Publish(self.topics.up_ask(self.name), ask.encode()))

    def claim(self, roots: tuple[bytes, ...] = ()) -> None:
        self.transport.publish(
            Publish(self.topics.up_ask(self.name), Ask(7, 0, Wake(0, 0, 1, False, roots)).encode())
        )

    def offer(self, made: MadeUpdate) -> None:
        root = made.head.update_root.hex()
        self.transport.publish(Publish(self.topics.up_head(self.name, root), made.offer.encode()))
        for i, data in enumerate(split(made.body)):
            self.transport.publish(Publish(self.topics.up_chunk(self.name, root, i), data))

    def receipts(self) -> list[Receipt]:
        return [one for one in self.heard if isinstance(one, Receipt)]


def view(world: World, validator: Validator, devices: list[Device]) -> Any:
    """What `make_update` wants to know of a chain, taken from a running validator."""
    signers = {node_id(d.signer.public_key): d.signer for d in devices}
    state = validator.head.state

    def signer_of(account: int) -> object:
        return signers[node_id(state.accounts[account].public_key)]

    return SimpleNamespace(
        genesis=world.genesis,
        chain_id=world.rules.chain_id,
        state=state,
        signer_of=signer_of,
        update_bodies={},
    )


def make_world(validators: int, **params: int) -> World:
    rules = {"k": 3, "min_updates": 1, **params}
    genesis = make_genesis(validators, params=make_params(**rules))
    world = World(genesis, make_signers(validators))
    for index in range(validators):
        world.add_validator(index)
    return world


def heights(world: World) -> set[int]:
    return {validator.head.height for validator in world.validators()}


def join_all(world: World, devices: list[Device]) -> None:
    for device in devices:
        device.join()
    assert world.run(
        60_000, lambda: all(len(v.head.state.accounts) == len(devices) for v in world.validators())
    )


def do_round(world: World, devices: list[Device]) -> None:
    first = world.validators()[0]
    number = first.head.state.learning.round
    chain = view(world, first, devices)
    for account in range(len(devices)):
        made = make_update(chain, account)
        next(d for d in devices if d.signer is chain.signer_of(account)).offer(made)
    done = world.run(
        600_000, lambda: all(v.head.state.learning.round == number + 1 for v in world.validators())
    )
    assert done, (heights(world), [n.refused for n in world.nodes])
