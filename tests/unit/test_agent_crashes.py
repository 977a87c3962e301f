"""The process dies between any two effects of a device's life; the next start goes on without harm."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge_client.core.agent import Phase
from edge_client.core.events import Fate
from edge_client.protocol.errors import Reason
from tests.builders import ChainMaker, make_genesis, make_params
from tests.device_world import DeviceWorld, PowerCut


def live(world: DeviceWorld) -> None:
    """From wherever the device stands: join, train round 1 if it was not saved, have it included."""
    chain = world.chain
    world.link_up()
    world.answer()
    if world.registered and world.account is None:
        world.register()
    if chain.height:
        world.publish_head()
        world.answer()
    if not world.disk.updates:
        world.finish_training()
    world.acknowledge()
    (root,) = world.disk.updates
    if chain.state.learning.round == 1:
        world.give_receipts(root, [0, 1])
        chain.add([world.disk.updates[root].head], time_s=100)
    world.publish_head()
    world.answer()


def effects_of_a_life() -> int:
    world = DeviceWorld(ChainMaker())
    live(world)
    return len(world.effects)


@pytest.mark.parametrize("crash_after", range(effects_of_a_life()))
def test_one_crash_anywhere(crash_after: int) -> None:
    world = DeviceWorld(ChainMaker())
    world.effects_until_crash = crash_after
    with pytest.raises(PowerCut):
        live(world)
    world.restart()
    live(world)
    (root,) = world.disk.updates
    assert world.disk.fates[root].fate == Fate.INCLUDED
    assert world.chain.state.accounts[0].balance == 1_000_000
    assert len(world.disk.headers) == world.chain.height
    assert world.phase() == Phase.TRAINING
    assert world.orders[-1].round == 2
    residue = [part for part, _ in world.disk.residual]
    assert residue == [b"residue of round" + (1).to_bytes(16, "big")]


def refused_world() -> tuple[DeviceWorld, bytes]:
    world = DeviceWorld(ChainMaker(make_genesis(params=make_params(staleness_max=1)), devices=3), 2).join()
    return world, world.finish_training()


def refuse(world: DeviceWorld, root: bytes) -> None:
    world.give_receipts(root, [0, 3], Reason.OUT_OF_RANGE)
    world.answer()


def expire(world: DeviceWorld, root: bytes) -> None:
    assert root in world.disk.updates
    for i in range(2):
        if world.chain.state.learning.round == i + 1:
            world.chain.close_round([0, 1] if world.account == 2 else [0, 2], time_s=100 + i)
    world.publish_head()
    world.answer()


@pytest.mark.parametrize("end", [refuse, expire])
@pytest.mark.parametrize("crash_after", range(12))
def test_what_did_not_count_is_given_back_exactly_once(
    end: Callable[[DeviceWorld, bytes], None], crash_after: int
) -> None:
    world, root = refused_world()
    world.effects_until_crash = crash_after
    try:
        end(world, root)
    except PowerCut:
        world.restart()
        world.link_up()
        world.publish_head()
        world.answer()
        if root not in world.disk.fates:
            end(world, root)
    world.effects_until_crash = None
    assert world.disk.fates[root].fate == (Fate.REFUSED if end is refuse else Fate.EXPIRED)
    assert [part for part, _ in world.disk.residual].count(root) == 1


def test_a_round_that_was_saved_is_never_trained_again() -> None:
    world = DeviceWorld(ChainMaker(devices=2)).join()
    world.finish_training()
    for _ in range(3):
        world.restart()
        world.link_up()
        world.publish_head()
        world.answer()
    assert [order.round for order in world.orders] == [1]
    assert len(world.disk.updates) == 1


def test_a_round_that_was_not_saved_is_trained_again() -> None:
    world = DeviceWorld(ChainMaker(devices=2)).join()
    world.restart()
    world.link_up()
    world.publish_head()
    world.answer()
    assert [order.round for order in world.orders] == [1, 1]
