"""A fleet of which half sleeps between rounds: rounds go on, nothing is lost; sleepers are hardly there."""

from __future__ import annotations

import random

from edge_client.core.bursts import Sleep
from edge_client.core.events import Fate
from tests.builders import make_genesis, make_params, make_signers
from tests.simulation.fleet import DeviceNode, add_device
from tests.simulation.world import World

DEVICES = 6
ROUND_S = 120
DROPOUT = 0.08
"""Share of devices that die in a round and come back later."""


def make_world() -> World:
    params = make_params(k=DEVICES, k_max=2 * DEVICES, min_updates=1, round_s=ROUND_S)
    world = World(make_genesis(4, params=params), make_signers(4))
    for index in range(4):
        world.add_validator(index)
    for number in range(DEVICES):
        add_device(world, number, sleep=Sleep.ALWAYS if number % 2 else Sleep.NEVER)
    return world


def devices(world: World) -> list[DeviceNode]:
    return [node for node in world.nodes if isinstance(node, DeviceNode)]


def round_number(world: World) -> int:
    return min(validator.head.state.learning.round for validator in world.validators())


def test_half_the_fleet_sleeps_and_no_work_is_lost() -> None:
    world = make_world()
    assert world.run(20 * ROUND_S * 1000, lambda: round_number(world) > 8)
    sleepers = [node for node in devices(world) if node.sleep == Sleep.ALWAYS]
    for node in sleepers:
        settled = [one.fate for one in node.disk.fates.values()]
        assert settled.count(Fate.INCLUDED) >= 5, node.number
        assert set(settled) == {Fate.INCLUDED}
        assert node.bursts <= 2 * round_number(world) + 4, "about two connections a round"
        assert not node.refused
        assert node.slept_ms > 0.7 * (world.now_ms - world.genesis.t0_s * 1000)


def test_rounds_go_on_while_devices_die_and_come_back() -> None:
    world = make_world()
    generator = random.Random(5)
    died = 0
    for _ in range(12):
        world.run(ROUND_S * 500)
        victims = [node for node in devices(world) if generator.random() < DROPOUT]
        for node in victims:
            node.kill()
        world.run(ROUND_S * 500)
        for node in victims:
            add_device(world, node.number, node.disk, node.sleep)
        died += len(victims)
    assert died >= 0.05 * 12 * DEVICES
    assert round_number(world) > 8
    lost = [one for node in devices(world) for one in node.disk.fates.values() if one.fate != Fate.INCLUDED]
    assert not lost
