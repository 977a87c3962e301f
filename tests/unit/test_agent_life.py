"""The agent's whole life against a real chain, in memory and in virtual time."""

from __future__ import annotations

import pytest

from edge_client.core.agent import Phase
from edge_client.core.events import Fate, SaveGivenUp, SaveUpdate, SettleUpdate, StopTraining, TrainingFailed
from edge_client.core.light_client import JUMP_HEADERS_MIN
from edge_client.protocol.errors import Reason
from edge_client.protocol.machine import Refused
from edge_client.protocol.wake import Wake
from tests.builders import ChainMaker, make_genesis, make_params, make_update
from tests.device_world import DeviceWorld


@pytest.fixture
def world() -> DeviceWorld:
    return DeviceWorld(ChainMaker())


def refused(effects: object) -> list[Reason]:
    return [one.reason for one in effects if isinstance(one, Refused)]  # type: ignore[attr-defined]


def test_a_new_device_joins_registers_and_trains(world: DeviceWorld) -> None:
    assert world.phase() == Phase.JOINING
    world.link_up()
    world.answer()
    assert world.phase() == Phase.REGISTERING
    assert world.registered
    assert not world.orders
    world.register()
    world.publish_head()
    world.answer()
    assert world.phase() == Phase.TRAINING
    (order,) = world.orders
    assert (order.round, order.base_height, order.model_root) == (1, 0, world.chain.genesis.model_root)
    assert world.states == [b"ready", b"training"]
    assert not refused(world.effects)


def test_an_update_is_offered_confirmed_and_included(world: DeviceWorld) -> None:
    world.join()
    root = world.finish_training()
    assert world.phase() == Phase.SENDING
    world.acknowledge()
    world.give_receipts(root, [0, 1])
    assert world.phase() == Phase.WAITING
    world.chain.add([world.offers[0].head], time_s=100)
    world.publish_head()
    world.answer()
    assert world.disk.fates[root].fate == Fate.INCLUDED
    assert world.disk.account is not None
    assert world.disk.account.proof.account.balance == 1_000_000
    assert [order.round for order in world.orders] == [1, 2]
    assert world.orders[-1].model_root == world.chain.state.model_root


def test_saving_comes_before_sending(world: DeviceWorld) -> None:
    world.join()
    before = len(world.effects)
    world.finish_training()
    names = [type(one).__name__ for one in world.effects[before:]]
    assert names.index("SaveUpdate") < names.index("Publish") < names.index("PublishChunk")


def test_ten_rounds_in_a_row(world: DeviceWorld) -> None:
    world.join()
    for round_number in range(1, 11):
        root = world.finish_training()
        world.acknowledge()
        world.give_receipts(root, [1, 3])
        world.chain.add([world.offers[-1].head], time_s=round_number * 100)
        world.publish_head()
        world.answer()
        assert world.disk.fates[root].fate == Fate.INCLUDED
        assert world.orders[-1].round == round_number + 1
    assert len(world.disk.objects) < 30
    assert world.pass_ms(30_000) is not None


def test_an_unselected_device_waits() -> None:
    chain = ChainMaker(make_genesis(params=make_params(selection=1, k=1, selected=1)), devices=2)
    chain.add([make_update(chain, 0).head], time_s=100)
    learning = chain.state.learning
    from edge_client.protocol.execution.selection import is_selected

    for device in range(2):
        world = DeviceWorld(chain, device)
        world.link_up()
        world.answer()
        world.publish_head()
        world.answer()
        selected = is_selected(learning.seed, world.signer.public_key, learning.theta)
        assert (world.phase() == Phase.TRAINING) == selected
        assert bool(world.orders) == selected


def test_a_late_device_syncs_a_long_run(world: DeviceWorld) -> None:
    world.join()
    root = world.finish_training()
    world.link_lost()
    for i in range(JUMP_HEADERS_MIN):
        world.chain.add([], time_s=10 * i + 200)
    world.link_up()
    world.publish_head()
    assert world.phase() == Phase.SYNCING
    world.answer()
    assert world.agent.participant is not None
    assert world.agent.participant.head.height == world.chain.height
    assert world.phase() == Phase.SENDING
    assert len(world.disk.headers) == world.chain.height
    assert root in world.disk.updates


def test_a_hopeless_round_is_given_up() -> None:
    chain = ChainMaker(make_genesis(params=make_params(staleness_max=1)), devices=3)
    world = DeviceWorld(chain, 2).join()
    for i in range(2):
        chain.close_round([0, 1], time_s=100 + i)
        world.publish_head()
    assert [one.round for one in world.effects if isinstance(one, StopTraining)] == [1]
    world.answer()
    assert world.orders[-1].round == 3
    assert not any(isinstance(one, SaveUpdate) for one in world.effects)


def test_work_for_a_round_that_closed_meanwhile_is_sent_as_late_update() -> None:
    chain = ChainMaker(devices=3)
    world = DeviceWorld(chain, 2).join()
    chain.close_round([0, 1], time_s=100)
    world.publish_head()
    root = world.finish_training()
    world.acknowledge()
    assert world.offers[0].head.round == 1
    chain.add([world.offers[0].head], time_s=500)
    world.publish_head()
    world.answer()
    assert world.disk.fates[root].fate == Fate.INCLUDED


def test_refusals_settle_only_after_a_claim(world: DeviceWorld) -> None:
    world.join()
    root = world.finish_training()
    world.give_receipts(root, [0], Reason.OUT_OF_RANGE)
    assert not world.asks
    world.give_receipts(root, [2], Reason.OUT_OF_RANGE)
    assert not world.disk.fates
    world.answer()
    assert world.disk.fates[root].fate == Fate.REFUSED
    assert world.disk.fates[root].reason == Reason.OUT_OF_RANGE
    assert (root, 1) in world.disk.residual


def test_an_included_update_that_validators_call_a_replay_is_included(world: DeviceWorld) -> None:
    world.join()
    root = world.finish_training()
    world.chain.add([world.offers[0].head], time_s=100)
    world.give_receipts(root, [0, 1], Reason.REPLAY)
    world.publish_head()
    world.answer()
    assert world.disk.fates[root].fate == Fate.INCLUDED


def test_an_update_expires_once_it_is_too_old() -> None:
    chain = ChainMaker(make_genesis(params=make_params(staleness_max=1)), devices=3)
    world = DeviceWorld(chain, 2).join()
    root = world.finish_training()
    for i in range(2):
        chain.close_round([0, 1], time_s=100 + i)
        world.publish_head()
        world.answer()
    assert world.disk.fates[root].fate == Fate.EXPIRED
    settles = [one for one in world.effects if isinstance(one, SettleUpdate)]
    assert [one.round for one in settles] == [3]


def test_a_round_that_cannot_be_trained_is_left_out() -> None:
    chain = ChainMaker(devices=3)
    world = DeviceWorld(chain, 2).join()
    world.tell(TrainingFailed(9, "of another time"))
    assert world.phase() == Phase.TRAINING
    world.tell(TrainingFailed(1, "no runtime"))
    assert SaveGivenUp(1, "no runtime") in world.effects
    assert world.phase() == Phase.WAITING
    assert world.agent.participant is not None
    assert world.agent.participant.why == "failed: no runtime"
    world.pass_ms(5_000)
    assert [order.round for order in world.orders] == [1]
    chain.close_round([0, 1], time_s=100)
    world.publish_head()
    world.answer()
    assert [order.round for order in world.orders] == [1, 2]
    assert world.agent.participant.why == "training"


def test_claims_follow_closed_rounds_only_while_something_is_pending() -> None:
    chain = ChainMaker(devices=3)
    world = DeviceWorld(chain, 2).join()

    def claims(close: bool) -> int:
        world.asks.clear()
        if close:
            others = [i for i in range(3) if i != world.account]
            chain.close_round(others, time_s=chain.time_s + 100)
        else:
            chain.add([], time_s=chain.time_s + 1)
        world.publish_head()
        return sum(isinstance(one.question, Wake) for one in world.asks)

    assert claims(close=True) == 0
    world.finish_training()
    assert claims(close=False) == 0
    assert claims(close=True) == 1


def test_why_the_device_waits(world: DeviceWorld) -> None:
    def why() -> str | None:
        return world.agent.participant.why if world.agent.participant else None

    assert why() is None
    world.link_up()
    world.answer()
    assert why() == "unregistered"
    world.register()
    world.publish_head()
    world.answer()
    assert why() == "training"
    world.finish_training()
    assert why() == "done"
    world.link_lost()
    world.link_up()
    assert why() == "unsynced"
