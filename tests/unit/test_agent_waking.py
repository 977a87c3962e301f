"""A device that wakes up: one question, its answer, the validators' words, and what a fork looks like."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_client.core.agent import Phase
from edge_client.core.events import AgentEffect, SaveChain, SaveConflict
from edge_client.core.freshness import Standing
from edge_client.core.light_client import JUMP_HEADERS_MIN
from edge_client.protocol.attack import LightAttack
from edge_client.protocol.errors import Reason
from edge_client.protocol.machine import Publish, Received, Refused
from edge_client.protocol.messages import Ask
from edge_client.protocol.wake import BareHead, Fresh, Wake
from tests.builders import ChainMaker
from tests.device_world import DeviceWorld
from tests.wake_builders import awake_of


@pytest.fixture
def world() -> DeviceWorld:
    """In training, at height 1."""
    return DeviceWorld(ChainMaker(devices=2)).join()


def sleep_and_wake(world: DeviceWorld) -> Ask:
    world.link_lost()
    world.asks.clear()
    world.pass_ms(3_600_000)
    world.link_up()
    return next(one for one in world.asks if isinstance(one.question, Wake))


def word(world: DeviceWorld, validator: int, nonce: int, height: int | None = None, **changes: Any) -> Fresh:
    height = world.chain.height if height is None else height
    fresh = Fresh(nonce, height, world.chain.headers[height - 1].hash(world.chain.chain_id))
    return replace(fresh, **changes).sign(world.chain.signers[validator], world.chain.chain_id)


def standing(world: DeviceWorld) -> Standing:
    device = world.agent.participant
    assert device is not None
    return device.freshness.standing(world.now_ms)


def refused(effects: list[AgentEffect]) -> list[Reason]:
    return [one.reason for one in effects if isinstance(one, Refused)]


def test_one_answer_brings_head_account_and_fate(world: DeviceWorld) -> None:
    root = world.finish_training()
    world.chain.add([world.offers[0].head], time_s=100)
    ask = sleep_and_wake(world)
    assert isinstance(ask.question, Wake)
    assert (ask.question.height, ask.question.update_roots) == (1, (root,))
    world.say(awake_of(world.chain, world.account, ask.question))
    device = world.agent.participant
    assert device is not None
    assert device.head.height == 2
    assert root in world.disk.fates
    account = world.disk.account
    assert account is not None
    assert account.height == 2


def test_the_head_is_fresh_when_f_plus_1_say_so(world: DeviceWorld) -> None:
    nonce = sleep_and_wake(world).nonce
    assert standing(world) == Standing.UNKNOWN
    world.say(word(world, 0, nonce), 0)
    world.say(word(world, 0, nonce), 0)
    assert standing(world) == Standing.UNKNOWN
    world.say(word(world, 1, nonce), 1)
    assert standing(world) == Standing.FRESH
    world.now_ms += 3_600_000
    assert standing(world) == Standing.STALE_OK


def test_a_word_that_its_validator_did_not_sign_is_refused(world: DeviceWorld) -> None:
    nonce = sleep_and_wake(world).nonce
    assert refused(world.say(word(world, 0, nonce), 1)) == [Reason.BAD_SIGNATURE]
    assert refused(world.say(word(world, 0, nonce + 1), 1)) == [], "an old word is not even verified"


def test_words_are_asked_for_until_the_head_is_fresh(world: DeviceWorld) -> None:
    ask = sleep_and_wake(world)
    assert isinstance(ask.question, Wake)
    assert ask.question.fresh
    for validator in (0, 1):
        world.say(word(world, validator, ask.nonce), validator)
    world.asks.clear()
    world.pass_ms(world.identity.timing.answer_ms)
    again = next(one for one in world.asks if isinstance(one.question, Wake))
    assert isinstance(again.question, Wake)
    assert not again.question.fresh


def test_a_word_for_a_later_head_makes_the_device_ask(world: DeviceWorld) -> None:
    ask = sleep_and_wake(world)
    world.answer()
    world.chain.close_round([0, 1], time_s=100)
    world.say(word(world, 0, ask.nonce), 0)
    assert [type(one.question) for one in world.asks] == [Wake]
    world.answer()
    device = world.agent.participant
    assert device is not None
    assert device.head.height == 2


def followed_after_doubt(world: DeviceWorld, validator: int) -> None:
    nonce = sleep_and_wake(world).nonce
    world.answer()
    world.say(word(world, validator, nonce, hash=bytes(32)), validator)
    world.pass_ms(world.identity.timing.switch_ms)
    assert world.followed == world.validator(validator)


def test_who_signed_another_head_than_it_shows_is_a_liar_and_left(world: DeviceWorld) -> None:
    followed_after_doubt(world, 2)
    assert refused(world.publish_head()) == [Reason.WRONG_HASH]
    assert world.phase() != Phase.HALTED
    assert refused(world.publish_head()) == [], "once"
    world.pass_ms(world.identity.timing.switch_ms)
    assert world.followed != world.validator(2)


def test_who_shows_another_final_head_stops_the_device_and_all_validators_hear(world: DeviceWorld) -> None:
    followed_after_doubt(world, 2)
    block = world.chain.light_block()
    twin = ChainMaker(devices=2)
    twin.headers[0] = replace(twin.headers[0], app_root=block.header.app_root, time_s=11)
    other = twin.light_block()
    effects = world.tell(Received(world.identity.topics.chain_head(world.followed), other.encode()))
    assert world.phase() == Phase.HALTED
    saved = next(one for one in effects if isinstance(one, SaveConflict))
    attack = LightAttack.decode(saved.evidence)
    assert {attack.first.header, attack.second.header} == {block.header, other.header}
    (report,) = [one for one in effects if isinstance(one, Publish) and one.topic.endswith("/ask")]
    assert Ask.decode(report.payload).question == attack
    assert effects.index(saved) < effects.index(report)


def test_what_was_verified_is_saved_although_the_rest_of_the_answer_is_false(world: DeviceWorld) -> None:
    """Otherwise memory is ahead of the disk, and the next headers leave a hole."""
    world.finish_training()
    world.chain.add([world.offers[0].head], time_s=100)
    ask = sleep_and_wake(world)
    assert isinstance(ask.question, Wake)
    awake = awake_of(world.chain, world.account, ask.question)
    (shown,) = awake.shown
    false = replace(shown, record=replace(shown.record, justification_hash=bytes(32)))
    effects = world.say(replace(awake, shown=(false,)))
    assert refused(effects) == [Reason.WRONG_HASH]
    assert any(isinstance(one, SaveChain) for one in effects)
    assert world.disk.stored.tip == world.agent.participant.sync.tip  # type: ignore[union-attr]
    assert not world.disk.fates


def test_far_behind_no_headers_are_asked_for(world: DeviceWorld) -> None:
    """The followed validator's head is enough to see it; the way there comes with an answer to `Wake`."""
    for number in range(JUMP_HEADERS_MIN + 2):
        world.chain.add([], time_s=100 + number)
    world.asks.clear()
    world.publish_head()
    assert [type(one.question) for one in world.asks] == [Wake]
    world.answer()
    device = world.agent.participant
    assert device is not None
    assert device.head.height == world.chain.height
    assert len(world.disk.headers) == 2, "the first and the last"


def test_a_head_that_nobody_signed_changes_nothing(world: DeviceWorld) -> None:
    world.chain.close_round([0, 1], time_s=100)
    ask = sleep_and_wake(world)
    assert isinstance(ask.question, Wake)
    awake = awake_of(world.chain, world.account, ask.question)
    assert isinstance(awake.head, BareHead)
    false = replace(awake, head=replace(awake.head, model_root=bytes([9]) * 32))
    assert refused(world.say(false)) == [Reason.BAD_SIGNATURE]
    device = world.agent.participant
    assert device is not None
    assert device.head.height == 1
