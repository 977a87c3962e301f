"""Agents and validators together, in memory: what slice (c) of first light promises."""

from __future__ import annotations

import random

import pytest

from edge_client.core.events import Fate
from edge_client.runtime.memory import ServerRules
from tests.builders import make_genesis, make_params, make_signers
from tests.simulation.fleet import DeviceNode, add_device, device_heads
from tests.simulation.world import World, lossy


def make_fleet(validators: int, devices: int, rules: ServerRules | None = None, **params: int) -> World:
    settings = {"k": devices, "k_max": 2 * devices, "min_updates": 1, "round_s": 60, **params}
    world = World(make_genesis(validators, params=make_params(**settings)), make_signers(validators), rules)
    for index in range(validators):
        world.add_validator(index)
    for number in range(devices):
        add_device(world, number)
    return world


def rounds(world: World) -> set[int]:
    return {validator.head.state.learning.round for validator in world.validators()}


def heads(world: World) -> set[bytes]:
    return {validator.head.hash for validator in world.validators()} | device_heads(world)


@pytest.mark.parametrize("validators", [1, 4])
def test_a_fleet_joins_and_finishes_rounds(validators: int) -> None:
    world = make_fleet(validators, 5)
    assert world.run(600_000, lambda: min(rounds(world)) > 6)
    world.run(2_000)
    assert len(heads(world)) == 1
    state = world.validators()[0].head.state
    assert sum(account.balance for account in state.accounts) == 1_000_000 * (state.learning.round - 1)
    refused = [one for node in world.nodes for one in node.refused]
    assert not refused


def test_a_device_that_was_killed_loses_nothing() -> None:
    world = make_fleet(4, 4, lossy(0, drop_pct=0))
    world.run(300_000, lambda: min(rounds(world)) > 2)
    victim = next(node for node in world.nodes if isinstance(node, DeviceNode) and node.number == 1)
    world.run(60_000, lambda: bool(set(victim.disk.updates) - set(victim.disk.fates)))
    root = next(iter(set(victim.disk.updates) - set(victim.disk.fates)))
    victim.kill()
    world.run(90_000)
    again = add_device(world, 1, victim.disk)
    assert world.run(600_000, lambda: root in again.disk.fates)
    assert again.disk.fates[root].fate == Fate.INCLUDED
    before = min(rounds(world))
    assert world.run(300_000, lambda: min(rounds(world)) > before + 2)


@pytest.mark.parametrize("seed", range(6))
def test_rounds_go_on_over_bad_links_with_crashes(seed: int) -> None:
    world = make_fleet(4, 5, lossy(seed, drop_pct=8), k=4, round_s=30)
    generator = random.Random(seed)
    for _ in range(6):
        world.run(generator.randrange(5_000, 60_000))
        victim = generator.choice(world.nodes)
        if isinstance(victim, DeviceNode):
            victim.kill()
            world.run(generator.randrange(100, 40_000))
            add_device(world, victim.number, victim.disk)
        else:
            index = next(i for i, s in enumerate(world.signers) if s.public_key == victim.key)
            victim.kill()
            world.run(generator.randrange(100, 40_000))
            world.add_validator(index)
        if generator.random() < 0.3:
            clients = [node.transport for node in world.nodes]
            world.server.restart()
            world.run(generator.randrange(100, 10_000))
            for client in clients:
                world.server.heal(client)
    before = max(rounds(world))
    assert world.run(900_000, lambda: min(rounds(world)) > before + 3), (seed, rounds(world))
    final = {v.head.height: v.head.hash for v in world.validators()}
    for store in world.stores.values():
        for height, block_hash in final.items():
            header = store.header(height)
            assert header is None or header.hash(world.rules.chain_id) == block_hash
