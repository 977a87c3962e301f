"""Whom the agent listens to and asks: the followed head, silence, validators that are behind or gone."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from edge_client.core.agent import Phase
from edge_client.core.asking import Asking
from edge_client.core.events import SaveObject
from edge_client.core.timing import Timing
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.execution.selection import is_selected
from edge_client.protocol.genesis import Admission
from edge_client.protocol.machine import Received, Subscribe, Unsubscribe, Woke
from edge_client.protocol.messages import Ask, GetHeaders, SubmitRecord
from edge_client.protocol.records import Register
from edge_client.protocol.wake import Wake
from tests.builders import ChainMaker, make_genesis, make_params, make_voucher, params_change
from tests.device_world import DeviceWorld
from tests.wake_builders import told


@pytest.fixture
def world() -> DeviceWorld:
    return DeviceWorld(ChainMaker(devices=2)).join()


def test_subscriptions(world: DeviceWorld) -> None:
    topics, device = world.identity.topics, world.identity.device
    assert world.filters == {*topics.device_filters(device), topics.chain_head(world.followed)}


def test_devices_follow_different_validators() -> None:
    chain = ChainMaker(devices=2)
    followed = set()
    for number in range(16):
        world = DeviceWorld(chain)
        world.agent = world.make_agent(bytes([number]) * 32)
        followed.add(world.join().followed)
    assert len(followed) == 4


def test_an_invalid_head_makes_it_follow_another(world: DeviceWorld) -> None:
    first = world.followed
    world.tell(Received(world.identity.topics.chain_head(first), b"rubbish"))
    assert world.followed == first
    world.pass_ms(world.identity.timing.switch_ms)
    assert world.followed != first


def test_a_silent_validator_is_left_after_the_deadline(world: DeviceWorld) -> None:
    first = world.followed
    round_ms = world.chain.genesis.params.round_s * 1000
    world.pass_ms(world.identity.timing.head_ms - 1)
    assert world.followed == first
    world.pass_ms(round_ms + 2)
    assert world.followed != first


def test_a_validator_that_repeats_an_old_head_is_left(world: DeviceWorld) -> None:
    first = world.followed
    for _ in range(100):
        world.pass_ms(1_000)
        if world.followed != first:
            return
        world.publish_head()
    pytest.fail("it follows a validator that hangs")


def test_rules_that_the_owners_changed_are_fetched_by_everybody(world: DeviceWorld) -> None:
    chain = world.chain
    params = replace(make_params(), round_s=90, sequence=1)
    chain.add([params_change(chain.chain_id, params)])
    world.publish_head()
    world.answer()
    assert world.disk.stored.params == chain.state.params
    world.finish_training()
    chain.add([world.offers[0].head], time_s=100)
    world.publish_head()
    world.answer()
    assert world.orders[-1].params == params


def test_switching_gets_rarer_while_nobody_speaks(world: DeviceWorld) -> None:
    effects = world.pass_ms(3_600_000)
    switches = sum(isinstance(one, Subscribe) for one in effects)
    assert 5 < switches < 30
    assert sum(isinstance(one, Unsubscribe) for one in effects) == switches


def test_a_validator_that_is_behind_is_left(world: DeviceWorld) -> None:
    first = world.followed
    world.chain.close_round([1], time_s=100)
    world.say(told(world.chain, world.account))
    assert world.followed == first, "its head may be under way"
    world.pass_ms(world.identity.timing.switch_ms)
    assert world.followed != first


def test_the_only_validator_is_never_left() -> None:
    world = DeviceWorld(ChainMaker(make_genesis(validators=1), devices=1)).join()
    effects = world.pass_ms(3_600_000)
    assert not any(isinstance(one, Subscribe | Unsubscribe) for one in effects)


def test_questions_go_round_and_then_back_off() -> None:
    asking = Asking(GetHeaders(1, 1), nonce=5, validators=4, timing=Timing())
    attempts: list[int] = []
    times: list[int] = []
    now_ms = 0
    while len(attempts) < 12:
        ask = asking.ask(now_ms)
        assert ask is not None
        assert asking.ask(now_ms) is None
        attempts.append(ask.attempt)
        times.append(now_ms)
        now_ms = asking.due_ms
    assert attempts == [0, 1, 2, 3] * 3
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps[:4] == [2000, 2000, 2000, 2000]
    assert gaps[4:8] == [4000, 4000, 4000, 4000]


def test_a_dead_validator_only_costs_time() -> None:
    """Whoever does not answer is passed over, in every phase."""
    chain = ChainMaker(devices=2)
    world = DeviceWorld(chain)
    world.link_up()
    dead = 2
    for _ in range(200):
        asks, world.asks = world.asks, []
        for ask in asks:
            if chain.validators.responders(ask.nonce)[ask.attempt % 4] != dead:
                world.answer_one(ask)
        if world.orders:
            break
        if world.followed != world.validator(dead):
            world.publish_head()
        world.pass_ms(500)
    assert world.phase() == Phase.TRAINING


def test_a_long_way_is_asked_for_in_order(world: DeviceWorld) -> None:
    for i in range(60):
        world.chain.add([], time_s=20 + i)
    world.publish_head()
    (ask,) = world.asks
    assert ask.question == GetHeaders(2, 61)
    world.asks.clear()
    world.answer_one(ask)
    (more,) = world.asks
    assert (more.question, more.nonce, more.attempt) == (GetHeaders(27, 61), ask.nonce, ask.attempt)


def test_a_new_head_while_headers_are_under_way_asks_nothing_twice(world: DeviceWorld) -> None:
    for i in range(9):
        world.chain.add([], time_s=20 + i)
    world.publish_head(8)
    world.asks.clear()
    world.publish_head(9)
    assert world.asks == []
    world.pass_ms(2_000)
    assert [one.question for one in world.asks] == [GetHeaders(2, 9)]


def test_a_run_survives_a_restart_half_way(world: DeviceWorld) -> None:
    for i in range(60):
        world.chain.add([], time_s=20 + i)
    world.publish_head()
    world.answer_one(world.asks.pop())
    world.asks.clear()
    world.restart()
    world.link_up()
    world.publish_head()
    assert [one.question for one in world.asks if isinstance(one.question, GetHeaders)] == [
        GetHeaders(27, 61)
    ]
    world.answer()
    assert world.agent.participant is not None
    assert world.agent.participant.head.height == 61


def test_registration_is_repeated_until_the_account_is_proven() -> None:
    world = DeviceWorld(ChainMaker())
    world.link_up()
    world.answer()
    world.pass_ms(60_000)
    asks = submitted(world)
    assert 3 <= len(asks) <= 6
    world.asks = asks[-1:]
    world.answer()
    world.register()
    world.publish_head()
    world.answer()
    world.pass_ms(120_000)
    assert not any(isinstance(one.question, SubmitRecord) for one in world.asks)


def test_a_registration_is_not_repeated_while_validators_collect() -> None:
    world = DeviceWorld(ChainMaker(make_genesis(params=make_params(records_wait_s=600))))
    world.link_up()
    world.answer()
    assert len(world.registered) == 1
    world.pass_ms(590_000)
    assert not submitted(world)
    world.pass_ms(20_000)
    assert len(submitted(world)) == 1


def submitted(world: DeviceWorld) -> list[Ask]:
    return [one for one in world.asks if isinstance(one.question, SubmitRecord)]


def test_a_voucher_of_the_join_string_is_shown() -> None:
    chain = ChainMaker(make_genesis(admission=Admission.TOKEN))
    world = DeviceWorld(chain)
    world.identity = replace(world.identity, voucher=make_voucher(chain.chain_id))
    world.agent = world.make_agent()
    world.link_up()
    world.answer()
    (record,) = world.registered
    assert isinstance(record, Register)
    assert record.voucher == 1
    world.register()
    world.publish_head()
    world.answer()
    assert world.phase() == Phase.TRAINING


def test_nothing_is_asked_while_the_link_is_down(world: DeviceWorld) -> None:
    world.finish_training()
    world.link_lost()
    world.asks.clear()
    assert world.agent.deadline() is None
    world.tell(Woke())
    assert world.asks == []
    world.link_up()
    assert [type(one.question) for one in world.asks] == [Wake]


def test_the_model_is_fetched_by_selected_devices_only() -> None:
    """Before a joule is spent: an unselected device does not even fetch the model."""
    chain = ChainMaker(make_genesis(params=make_params(selection=1, k=1, selected=1)), devices=3)
    chain.close_round([0], time_s=100)
    for device in range(3):
        one = DeviceWorld(chain, device)
        one.link_up()
        one.answer()
        one.publish_head()
        learning = chain.state.learning
        one.answer()
        fetched = any(isinstance(eff, SaveObject) and eff.kind == ObjectKind.MODEL for eff in one.effects)
        assert fetched == is_selected(learning.seed, one.signer.public_key, learning.theta)
