"""Agents and validators over changes of the set: devices follow whoever signs, and learning goes on."""

from __future__ import annotations

from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import Ask, SubmitRecord
from edge_client.protocol.records import OptIn, consent_bytes
from edge_client.protocol.topics import Topics
from tests.simulation.epoch_world import (
    BOND,
    SIGNERS,
    VALIDATORS,
    check_one_chain,
    epochs,
    heights,
    make_epoch_world,
    signed_in,
)
from tests.simulation.fleet import DeviceNode, add_device, device_heads
from tests.simulation.world import World

DEVICES = 3
NEWCOMERS = SIGNERS[VALIDATORS:]


def make_fleet() -> tuple[World, list[DeviceNode]]:
    world = make_epoch_world()
    return world, [add_device(world, number) for number in range(DEVICES)]


def opt_in(world: World, device: DeviceNode, holder: int) -> None:
    """The device's account names a key for the seat that it earns; sent once, as its owner would."""
    head = world.validators()[0].head
    account = next(
        index for index, one in enumerate(head.state.accounts) if one.public_key == device.signer.public_key
    )
    chain_id, signer = world.rules.chain_id, NEWCOMERS[holder]
    consent = signer.sign(consent_bytes(chain_id, account))
    wish = OptIn(account, signer.public_key, BOND, head.height, consent).sign(device.signer, chain_id)
    topic = Topics.of(chain_id).up_ask(device.name)
    device.transport.publish(Publish(topic, Ask(1, 0, SubmitRecord(wish)).encode()))


def earned(world: World) -> bool:
    """Every device has what a seat costs."""
    accounts = world.validators()[0].head.state.accounts
    return len(accounts) == DEVICES and all(one.balance >= BOND for one in accounts)


def test_learning_goes_on_while_seats_change_hands() -> None:
    world, devices = make_fleet()
    assert world.run(600_000, lambda: earned(world))
    opt_in(world, devices[0], 0)
    assert world.run(600_000, lambda: epochs(world) == {1})
    opt_in(world, devices[1], 1)
    assert world.run(600_000, lambda: epochs(world) == {2})
    before = max(heights(world))
    assert world.run(600_000, lambda: min(heights(world)) > before + 4)
    assert world.run(60_000, lambda: device_heads(world) == {world.validators()[0].head.hash})
    assert {2} <= signed_in(world, NEWCOMERS[0]) & signed_in(world, NEWCOMERS[1])
    check_one_chain(world)


def test_a_device_that_slept_through_changes_of_the_set_goes_on() -> None:
    world, devices = make_fleet()
    assert world.run(600_000, lambda: earned(world))
    sleeper = devices[2]
    sleeper.kill()
    for holder in (0, 1):
        opt_in(world, devices[holder], holder)
    assert world.run(900_000, lambda: epochs(world) == {2})
    awake = add_device(world, sleeper.number, sleeper.disk)
    round_number = world.validators()[0].head.state.learning.round
    assert world.run(
        600_000, lambda: max(awake.disk.updates, default=b"") != b"" and len(device_heads(world)) == 1
    )
    assert world.run(600_000, lambda: last_round(world, awake) > round_number)
    check_one_chain(world)


def last_round(world: World, device: DeviceNode) -> int:
    """The last round in which the device's update counted."""
    accounts = world.validators()[0].head.state.accounts
    return next(one.last_round for one in accounts if one.public_key == device.signer.public_key)
