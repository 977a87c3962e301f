"""Validators in one virtual network: registration, rounds, receipts, restarts, catching up."""

from __future__ import annotations

import pytest

from edge_client.protocol.messages import ACCEPTED
from edge_client.protocol.wake import Awake
from tests.simulation.scripted import Device, do_round, heights, join_all, make_world


@pytest.mark.parametrize("validators", [1, 4, 7])
def test_devices_register_and_rounds_close(validators: int) -> None:
    world = make_world(validators)
    devices = [Device(world, i) for i in range(3)]
    join_all(world, devices)
    for _ in range(3):
        do_round(world, devices)
    assert len({v.head.hash for v in world.validators()}) == 1
    assert world.validators()[0].head.height == 4
    assert all(not node.refused for node in world.nodes)


def test_every_validator_signs_a_receipt_and_claims_prove_inclusion() -> None:
    world = make_world(4, k=2)
    devices = [Device(world, i) for i in range(2)]
    join_all(world, devices)
    do_round(world, devices)
    assert len(devices[0].receipts()) == 4
    roots = tuple({one.update_root for one in devices[0].receipts()})
    assert all(one.verdict == ACCEPTED for one in devices[0].receipts())
    devices[0].claim(roots)
    world.run(1000)
    claimed = [one for one in devices[0].heard if isinstance(one, Awake)]
    head = world.validators()[0].head
    assert len(claimed) == 1
    assert claimed[0].account is not None
    assert claimed[0].account.proof(devices[0].signer.public_key).root() == head.state.accounts.root()
    assert claimed[0].shown[0].at == claimed[0].height == head.height


def test_a_killed_validator_comes_back_and_catches_up() -> None:
    world = make_world(4)
    devices = [Device(world, i) for i in range(3)]
    join_all(world, devices)
    do_round(world, devices)
    world.nodes[2].kill()
    for _ in range(8):
        do_round(world, devices)
    assert len(world.nodes) == 3
    world.add_validator(2)
    assert world.run(60_000, lambda: len(heights(world)) == 1), heights(world)
    for _ in range(2):
        do_round(world, devices)
    assert len({v.head.hash for v in world.validators()}) == 1


def test_the_mqtt_server_loses_its_memory() -> None:
    world = make_world(4)
    devices = [Device(world, i) for i in range(3)]
    join_all(world, devices)
    do_round(world, devices)
    world.server.restart()
    world.run(5_000)
    for node in world.nodes:
        world.server.heal(node.transport)
    for device in devices:
        world.server.heal(device.transport)
    for _ in range(2):
        do_round(world, devices)
    assert len({v.head.hash for v in world.validators()}) == 1
