"""A whole agent that sleeps between rounds: what it is connected for, and what it survives asleep."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_client.core.agent import SLEEPING, Phase
from edge_client.core.bursts import CONNECT_MS_MAX, RETRY_MS_MIN, SILENCE_MS_MAX, Sleep
from edge_client.core.conditions.limits import Limits
from edge_client.core.conditions.prediction import Cost
from edge_client.core.errands import SHORT_MS
from edge_client.core.events import ConditionsRead, Fate, GoOffline, GoOnline, Wished
from edge_client.core.verify import DAY_MS
from edge_client.protocol.machine import LinkLost, LinkUp, Publish
from edge_client.protocol.messages import Handoffs
from edge_client.protocol.wake import Fresh, Wake
from tests.builders import ChainMaker, make_genesis, make_params
from tests.device_world import DeviceWorld
from tests.unit.test_conditions_gates import FINE

ROUND_S = 3_600
HOT = replace(FINE, temperature_c=90.0)


def say_words(world: DeviceWorld) -> None:
    """f+1 validators call the head the latest."""
    participant = world.agent.participant
    assert participant is not None
    nonce = participant.freshness.nonce
    if nonce is None:
        return
    for i, signer in enumerate(world.chain.signers[:2]):
        word = Fresh(nonce, world.chain.height, world.chain.headers[-1].hash(world.chain.chain_id))
        world.say(word.sign(signer, world.chain.chain_id), i)


def sleeper(limits: Limits | None = None, **params: int) -> DeviceWorld:
    """Joined, at work on round 1 and asleep."""
    genesis = make_genesis(params=make_params(round_s=ROUND_S, **params))
    world = DeviceWorld(ChainMaker(genesis, devices=3), 2, limits=limits, sleep=Sleep.ALWAYS)
    world.now_ms = (genesis.t0_s + 10) * 1000
    if limits is not None:
        world.tell(ConditionsRead(FINE))
    talk(world)
    assert world.phase() == Phase.TRAINING
    if limits is not None:  # then there are predictions, and the first round has none
        assert world.online
        world.pass_ms(SHORT_MS)
    assert not world.online
    return world


def talk(world: DeviceWorld) -> None:
    """A whole burst, as far as validators can bring it along."""
    world.link_up()
    while world.online and world.asks:
        world.answer()
        say_words(world)
        if world.registered:
            world.register()
            world.publish_head()


def hand_in(world: DeviceWorld, seed: int = 0, **changes: Any) -> bytes:
    """The training ends and the update is sent, in a burst of its own."""
    offered = len(world.offers)
    root = world.finish_training(seed, **changes)
    assert world.online, "there is something to say"
    assert len(world.offers) == offered, "but nobody to say it to yet"
    talk(world)
    world.acknowledge()
    world.give_receipts(root, [0, 1])
    assert not world.online
    return root


def plan(world: DeviceWorld) -> tuple[int, str]:
    assert world.agent.plan is not None
    return world.agent.plan.until_ms, world.agent.plan.because


def over_ms(world: DeviceWorld) -> int:
    """When the open round ends by its deadline."""
    learning = world.chain.state.learning
    return (world.chain.genesis.t0_s + learning.opened_at_s + ROUND_S) * 1000


def test_a_round_of_two_bursts_and_the_fate_in_the_next() -> None:
    world = sleeper()
    assert world.states[-1] == SLEEPING
    root = hand_in(world)
    assert world.phase() == Phase.SLEEPING
    until_ms, because = plan(world)
    assert over_ms(world) <= until_ms <= over_ms(world) + 60_000
    assert because == "round 1 is over then; is our update in it?"
    world.chain.add([world.offers[-1].head], time_s=ROUND_S)
    world.pass_ms(until_ms - world.now_ms)
    assert world.online
    world.asks.clear()
    talk(world)
    assert world.disk.fates[root].fate == Fate.INCLUDED
    assert [order.round for order in world.orders] == [1, 2]
    assert not world.online


def test_nothing_is_said_asleep() -> None:
    world = sleeper()
    root = hand_in(world)
    at = len(world.effects)
    world.say(world.receipt(root, 2), 2)
    world.say(Handoffs(()), 1)
    world.tell(LinkUp("late"))
    world.tell(LinkLost("late"))
    world.pass_ms(60_000)
    late = world.effects[at:]
    assert not [one for one in late if isinstance(one, Publish | GoOnline | GoOffline)]
    assert not world.online


def test_goodbye_is_the_last_word() -> None:
    world = sleeper()
    kinds = [type(one) for one in world.effects if isinstance(one, Publish | GoOffline)]
    assert kinds[-2:] == [Publish, GoOffline]


def test_an_absent_server_costs_a_minute_then_a_back_off() -> None:
    world = sleeper()
    root = world.finish_training()
    assert world.online
    world.pass_ms(CONNECT_MS_MAX)
    assert not world.online
    assert plan(world)[1] == "an update is to be sent"
    world.pass_ms(2 * RETRY_MS_MIN)
    assert world.online
    talk(world)
    world.acknowledge()
    world.give_receipts(root, [0, 1])
    assert not world.online


def test_validators_that_do_not_answer_end_the_burst() -> None:
    world = sleeper()
    hand_in(world)
    world.pass_ms(plan(world)[0] - world.now_ms)
    world.link_up()
    world.pass_ms(SILENCE_MS_MAX)
    assert not world.online


def test_a_power_cut_asleep_loses_nothing() -> None:
    world = sleeper()
    root = hand_in(world)
    world.restart()
    assert world.phase() != Phase.SLEEPING, "a start is a burst"
    talk(world)
    world.acknowledge()
    world.give_receipts(root, [0, 1])
    assert not world.online
    assert root not in world.disk.fates


def test_an_update_that_missed_its_block_is_offered_again_in_the_next_burst() -> None:
    world = sleeper()
    root = hand_in(world)
    offered = len(world.offers)
    world.chain.close_round([0, 1], time_s=ROUND_S)
    world.pass_ms(plan(world)[0] - world.now_ms)
    talk(world)
    assert world.online, "its receipts are waited for"
    assert [one.head.update_root for one in world.offers[offered:]] == [root]
    world.give_receipts(root, [0, 1])
    assert not world.online
    world.pass_ms(30_000)
    assert len(world.offers) == offered + 1


def test_far_behind_one_answer_leads_to_the_head() -> None:
    world = sleeper(staleness_max=2)
    root = hand_in(world)
    for i in range(1, 60):
        world.chain.close_round([0, 1], time_s=i * ROUND_S)
    world.now_ms += 60 * ROUND_S * 1000
    world.pass_ms(0)
    assert world.online
    world.asks.clear()
    talk(world)
    assert world.disk.fates[root].fate == Fate.EXPIRED
    assert world.orders[-1].round == 60
    assert not world.online


def test_a_closed_gate_is_slept_through_but_the_chain_is_kept_up_with() -> None:
    world = sleeper(Limits())
    root = hand_in(world)
    world.chain.add([world.offers[-1].head], time_s=ROUND_S)
    world.tell(ConditionsRead(HOT))
    world.pass_ms(plan(world)[0] - world.now_ms)
    talk(world)
    assert root in world.disk.fates
    assert len(world.orders) == 1, "too hot for round 2"
    until_ms, because = plan(world)
    assert (until_ms, because.split(";")[0]) == (world.now_ms + DAY_MS, "closed gate: temperature")
    world.pass_ms(2 * ROUND_S * 1000)
    assert not world.online
    world.tell(ConditionsRead(FINE))
    assert world.online, "the round it slept through is over: look for another, then train"
    assert len(world.orders) == 1


def test_a_gate_that_opens_while_the_round_is_open_lets_it_fetch_the_model_and_train() -> None:
    world = sleeper(Limits(ignore=("rounds",)))
    hand_in(world)
    world.chain.add([world.offers[-1].head], time_s=ROUND_S)
    world.tell(ConditionsRead(HOT))
    world.pass_ms(plan(world)[0] - world.now_ms)
    talk(world)
    world.pass_ms(60_000)
    world.tell(ConditionsRead(FINE))
    assert world.online, "the model of round 2 is still missing"
    talk(world)
    assert [order.round for order in world.orders] == [1, 2]


TAILS = [("modem", 1_100, True), ("modem", 1_200, False), ("ethernet", 500, True), ("ethernet", 1_100, False)]


@pytest.mark.parametrize(("link", "ms_per_step", "stays"), TAILS)
def test_training_that_ends_within_the_tail_keeps_the_link(link: str, ms_per_step: int, stays: bool) -> None:
    world = sleeper(Limits(ignore=("rounds",)))
    root = hand_in(world, cost=Cost(10, 10 * ms_per_step, None, 1, 1))
    world.chain.add([world.offers[-1].head], time_s=ROUND_S)
    world.pass_ms(plan(world)[0] - world.now_ms)
    world.tell(ConditionsRead(replace(FINE, link=link)))
    talk(world)
    assert root in world.disk.fates
    assert len(world.orders) == 2
    assert world.online is stays


def test_quicker_rounds_are_met() -> None:
    world = sleeper(k=1)
    root = hand_in(world)
    world.chain.add([world.offers[-1].head], time_s=ROUND_S // 4)
    world.pass_ms(plan(world)[0] - world.now_ms)
    talk(world)
    assert root in world.disk.fates
    root = hand_in(world, 5)
    pace_ms = ROUND_S // 4 * 1000
    assert plan(world)[0] <= world.now_ms + pace_ms + 60_000


def test_the_owners_wish_wakes() -> None:
    world = sleeper()
    hand_in(world)
    world.tell(Wished(None))
    assert not world.online
    participant = world.agent.participant
    assert participant is not None
    assert participant.candidacy.deadline() is None


def test_one_wake_question_a_burst() -> None:
    world = sleeper()
    hand_in(world)
    world.pass_ms(plan(world)[0] - world.now_ms)
    world.asks.clear()
    world.link_up()
    assert [type(ask.question) for ask in world.asks] == [Wake]


def test_a_first_round_that_is_short_needs_no_second_connection() -> None:
    world = DeviceWorld(ChainMaker(devices=3), 2, limits=Limits(), sleep=Sleep.ALWAYS)
    world.tell(ConditionsRead(FINE))
    talk(world)
    world.pass_ms(SHORT_MS - 1)
    root = world.finish_training()
    assert [offer.head.update_root for offer in world.offers] == [root], "over the link that is still there"
    assert not any(isinstance(one, GoOffline) for one in world.effects)
