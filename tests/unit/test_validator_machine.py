"""The validator as a whole: which topic leads where, hostile topics, clocks that jump, restarts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from broker.core.effects import AppendLog, StoreBlock, Stored, StoreFinal
from broker.core.validator import MQTT_SERVER, ValidatorEffect
from edge_client.protocol.chunks import Bitmap, ObjectKind, Piece
from edge_client.protocol.errors import Reason
from edge_client.protocol.keys import node_id
from edge_client.protocol.light import LightBlock
from edge_client.protocol.machine import LinkLost, LinkUp, Note, Publish, Subscribe, Woke
from edge_client.protocol.messages import (
    Ask,
    GetChunks,
    GetHeaders,
    Recall,
    SubmitRecord,
    decode_validator_say,
)
from edge_client.protocol.topics import Topics
from edge_client.protocol.wake import Wake
from tests.builders import GRAPH_BYTES, make_genesis, make_params, make_signers, register
from tests.lone_validator import LoneValidator, receipts, refusals, said

PEER = node_id(make_signers(2)[1].public_key)
DEVICE = make_signers(1, "device")[0]
WAKE = Wake(0, 0, 1, fresh=False, update_roots=())
HASH = bytes(32).hex()


@pytest.fixture
def one_of_four() -> LoneValidator:
    """Validator 0 of a set of four; it hears nothing of the others."""
    return LoneValidator(make_genesis(4))


def published(effects: Sequence[ValidatorEffect]) -> list[Publish]:
    return [one for one in effects if isinstance(one, Publish)]


# --- topics ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "sender", "reason"),
    [
        ("up/{device}/state", "{device}", Reason.MALFORMED),
        ("up/{device}/head/xyz", "{device}", Reason.MALFORMED),
        ("up/{device}/chunk/{hash}/01", "{device}", Reason.MALFORMED),
        ("up/{device}/chunk/{hash}", "{device}", Reason.MALFORMED),
        ("up/{device}/ask", "{device}", Reason.MALFORMED),
        ("up/{device}", "{device}", Reason.MALFORMED),
        ("up/+/ask", MQTT_SERVER, Reason.MALFORMED),
        ("up/#/ask", MQTT_SERVER, Reason.MALFORMED),
        ("up//ask", MQTT_SERVER, Reason.MALFORMED),
        ("up", MQTT_SERVER, Reason.MALFORMED),
        ("", MQTT_SERVER, Reason.MALFORMED),
        ("val/{peer}/say", "{peer}", Reason.MALFORMED),
        ("val/{peer}/snap", "{peer}", Reason.MALFORMED),
        ("val/{peer}/ask", "{peer}", Reason.MALFORMED),
        ("val/{peer}/chunk/{hash}/0", "{peer}", Reason.MALFORMED),
        ("val/{peer}/chunk/{hash}/4096", "{peer}", Reason.MALFORMED),
        ("val/{peer}/other", "{peer}", Reason.MALFORMED),
        ("val/{device}/say", "{device}", Reason.MALFORMED),
        ("val/{device}/ask", "{device}", Reason.WRONG_SENDER),
        ("val/{peer}", "{peer}", Reason.MALFORMED),
    ],
)
def test_what_does_not_belong_on_a_topic_is_refused_by_sender(
    one_of_four: LoneValidator, level: str, sender: str, reason: Reason
) -> None:
    names = {"device": node_id(DEVICE.public_key), "peer": PEER, "hash": HASH}
    topic = f"{one_of_four.topics.base}/{level.format(**names)}"
    effects = one_of_four.receive(topic, b"\xff" * 7)
    assert published(effects) == []
    (refused,) = refusals(effects)
    assert (refused.sender, refused.reason) == (sender.format(**names), reason)


def test_topics_of_another_chain_are_refused_without_naming_senders_that_the_server_makes_up(
    one_of_four: LoneValidator,
) -> None:
    for number in range(3):
        topic = Topics.of(bytes([number]) * 32).up_ask(node_id(DEVICE.public_key))
        (refused,) = refusals(one_of_four.receive(topic, b""))
        assert (refused.reason, refused.sender) == (Reason.WRONG_CHAIN, MQTT_SERVER)


def test_its_own_questions_and_chunks_come_back_and_mean_nothing(one_of_four: LoneValidator) -> None:
    topics, name = one_of_four.topics, one_of_four.name
    for topic in (
        topics.validator_ask(name),
        topics.validator_chunk(name, HASH, 0),
    ):
        assert one_of_four.receive(topic, b"\xff") == []


# --- questions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", [GetHeaders(1, 1), WAKE])
def test_of_four_validators_one_answers_and_the_next_attempt_is_for_another(
    question: GetHeaders | Wake,
) -> None:
    genesis = make_genesis(4)
    order = genesis.validators.responders(nonce=5)
    lone = LoneValidator(genesis)
    topic = lone.topics.up_ask(node_id(DEVICE.public_key))
    for attempt in range(8):
        answered = lone.receive(topic, Ask(5, attempt, WAKE).encode())
        assert bool(answered) == (order[attempt % 4] == 0)
    assert not refusals(lone.effects)
    lone.receive(topic, Ask(5, order.index(0), question).encode())


def test_chunks_of_the_graph_go_to_the_device_that_asked() -> None:
    lone = LoneValidator()
    question = GetChunks(ObjectKind.GRAPH, lone.genesis.graph_root, Bitmap(0, 0))
    sent = published(lone.ask(DEVICE, question))
    device, root = node_id(DEVICE.public_key), lone.genesis.graph_root.hex()
    assert [one.topic for one in sent] == [
        lone.topics.down_chunk(device, lone.name, root, i) for i in range(2)
    ]
    assert b"".join(Piece.decode(one.payload).data for one in sent) == GRAPH_BYTES


def test_a_peer_is_served_by_the_one_whose_turn_it_is_among_the_others() -> None:
    genesis = make_genesis(4)
    lone = LoneValidator(genesis)
    question = GetChunks(ObjectKind.GENESIS, genesis.chain_id(), Bitmap(0, 0))
    nonce = 3
    order = [one for one in genesis.validators.responders(nonce) if one != 1]
    topic = lone.topics.validator_ask(PEER)
    for attempt in range(6):
        answered = published(lone.receive(topic, Ask(nonce, attempt, question).encode()))
        assert bool(answered) == (order[attempt % 3] == 0)
        assert all("/val/" in one.topic for one in answered)


def test_a_peer_asks_no_devices_questions(one_of_four: LoneValidator) -> None:
    order = [one for one in one_of_four.genesis.validators.responders(0) if one != 1]
    topic = one_of_four.topics.validator_ask(PEER)
    (refused,) = refusals(one_of_four.receive(topic, Ask(0, order.index(0), WAKE).encode()))
    assert refused.reason == Reason.MALFORMED


# --- blocks of one validator -----------------------------------------------------------------------------


def test_a_block_is_stored_and_signed_for_before_anything_about_it_is_said() -> None:
    lone = LoneValidator(devices=2)
    kinds = [type(one) for one in lone.effects]
    assert kinds.index(StoreBlock) < kinds.index(AppendLog) < kinds.index(StoreFinal)
    first_word = next(
        i
        for i, one in enumerate(lone.effects)
        if isinstance(one, Publish)
        and one.topic == lone.topics.validator_say(lone.name)
        and not isinstance(decode_validator_say(one.payload), Recall)
    )
    assert kinds.index(AppendLog) < first_word


def test_each_head_is_published_retained_and_again_with_each_connection() -> None:
    lone = LoneValidator(devices=2)
    topic = lone.topics.chain_head(lone.name)
    heads = [one for one in published(lone.effects) if one.topic == topic]
    assert [LightBlock.decode(one.payload).header.height for one in heads] == [1]
    assert all(one.retain for one in heads)
    lone.effects.clear()
    lone.give(LinkUp("another server"))
    assert [one.topic for one in published(lone.effects)].count(topic) == 1
    assert not any(isinstance(one, Subscribe) for one in lone.effects)


def test_a_restart_goes_on_from_the_head_on_disk() -> None:
    lone = LoneValidator(devices=2, k=2)
    lone.hand_in(0)
    head = lone.machine.head
    lone.effects.clear()
    lone.start()
    assert lone.machine.head.hash == head.hash
    topic = lone.topics.chain_head(lone.name)
    assert topic in [one.topic for one in published(lone.effects)]
    assert lone.store.load() != Stored(None, (), b"")
    lone.hand_in(1)
    assert lone.state.learning.round == 2


def test_an_acknowledged_registration_is_only_in_memory_and_may_be_sent_again() -> None:
    """Records have no receipts: the device sends until its account is proven."""
    lone = LoneValidator()
    record = SubmitRecord(register(DEVICE, lone.chain_id))
    lone.ask(DEVICE, record)
    lone.start()
    lone.run(20_000)
    assert len(lone.state.accounts) == 0
    lone.ask(DEVICE, record)
    lone.run(5_000)
    assert len(lone.state.accounts) == 1


def test_notes_tell_when_a_block_was_due_proposed_and_final() -> None:
    lone = LoneValidator(devices=2)
    names = [one.event for one in lone.effects if isinstance(one, Note)]
    of_blocks = [one for one in names if one not in ("phase", "record_pending")]
    assert of_blocks == ["due", "proposed", "block_final"]


# --- time ------------------------------------------------------------------------------------------------


def test_the_deadline_closes_a_round_with_what_is_here() -> None:
    lone = LoneValidator(devices=2, k=2, round_s=60)
    opened_ms = (lone.genesis.t0_s + lone.state.learning.opened_at_s) * 1000
    lone.hand_in(0)
    lone.run(opened_ms + 59_999 - lone.now_ms)
    assert lone.state.learning.round == 1
    lone.run(1)
    assert lone.state.learning.round == 2


def test_a_clock_that_jumps_ahead_closes_the_round_and_one_that_falls_back_stops_nothing() -> None:
    lone = LoneValidator(devices=2, k=2, round_s=60)
    lone.hand_in(0)
    lone.now_ms += 10**9
    lone.give(Woke())
    assert lone.state.learning.round == 2
    late_s = lone.machine.head.time_s
    lone.now_ms -= 10**9
    lone.hand_in(0)
    lone.hand_in(1)
    lone.run(5_000)
    assert lone.state.learning.round == 3
    assert lone.machine.head.time_s == late_s


def test_without_work_there_is_no_block_and_no_deadline() -> None:
    lone = LoneValidator(devices=2)
    height = lone.machine.head.height
    lone.effects.clear()
    lone.run(10**9)
    assert lone.machine.head.height == height
    assert lone.effects == []


def test_while_the_link_is_away_updates_are_kept_and_the_round_closes_afterwards() -> None:
    lone = LoneValidator(devices=2, k=2)
    lone.give(LinkLost("gone"))
    lone.hand_in(0)
    lone.hand_in(1)
    lone.give(LinkUp("back"))
    lone.run(10_000)
    assert lone.state.learning.round == 2
    assert len(receipts(lone.effects)) == 2


def test_with_rules_for_one_device_it_still_works() -> None:
    lone = LoneValidator(make_genesis(1, params=make_params(k=1, k_max=1)), devices=1)
    for _ in range(3):
        lone.hand_in(0)
    assert lone.state.learning.round == 4
    assert said(lone.effects)
