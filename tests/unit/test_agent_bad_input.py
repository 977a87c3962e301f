"""Whatever peers send: refused with its reason, counted, and nothing else is disturbed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from edge_client.core.agent import Phase
from edge_client.core.events import AgentEffect, Fate, SaveAccount, SettleUpdate
from edge_client.protocol.chunks import Bitmap, ObjectKind, Piece
from edge_client.protocol.errors import Reason
from edge_client.protocol.machine import Publish, Received, Refused, Woke
from edge_client.protocol.messages import Ask, GetChunks, MissingChunks, encode_say
from edge_client.protocol.votes import Quorum
from edge_client.protocol.wake import Awake, BareAccount, Wake
from tests.builders import ChainMaker
from tests.device_world import DeviceWorld
from tests.wake_builders import told


@pytest.fixture
def world() -> DeviceWorld:
    """A device that has trained round 1 and is sending."""
    chain = ChainMaker(devices=2)
    world = DeviceWorld(chain).join()
    world.finish_training()
    return world


def refused(effects: Iterable[object]) -> list[Reason]:
    return [one.reason for one in effects if isinstance(one, Refused)]


def head_topic(world: DeviceWorld) -> str:
    return world.identity.topics.chain_head(world.followed)


def test_topics_of_another_chain_or_of_others(world: DeviceWorld) -> None:
    topics, device, validator = world.identity.topics, world.identity.device, world.validator(0)
    cases = {
        "fl/v1/0123456789abcdef/chain/head/x": Reason.WRONG_CHAIN,
        "nonsense": Reason.WRONG_CHAIN,
        topics.up_ask(device): Reason.MALFORMED,
        topics.snapshot(validator): Reason.MALFORMED,
        topics.down_say("f" * 32, validator): Reason.WRONG_SENDER,
        topics.down_chunk(device, "f" * 32, "ab" * 32, 0): Reason.WRONG_SENDER,
        topics.down_chunk(device, validator, "ab", 0): Reason.MALFORMED,
        topics.down_chunk(device, validator, "zz" * 32, 0): Reason.MALFORMED,
        topics.down_chunk(device, validator, "ab" * 32, "-1"): Reason.MALFORMED,
        topics.down_chunk(device, validator, "ab" * 32, 4096): Reason.MALFORMED,
        topics.down_say(device, validator) + "/more": Reason.MALFORMED,
    }
    for topic, reason in cases.items():
        assert refused(world.tell(Received(topic, b"x"))) == [reason], topic
    assert world.phase() == Phase.SENDING


def test_a_stranger_says_what_a_validator_may(world: DeviceWorld) -> None:
    topic = world.identity.topics.down_say(world.identity.device, "f" * 32)
    said = encode_say(told(world.chain, None))
    assert refused(world.tell(Received(topic, said))) == [Reason.WRONG_SENDER]


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x09" + bytes(80), b"\x01" + bytes(10), bytes(2000)])
def test_malformed_messages(world: DeviceWorld, payload: bytes) -> None:
    assert refused(world.tell(Received(world.say_topic(), payload))) == [Reason.MALFORMED]
    assert refused(world.tell(Received(head_topic(world), payload))) == [Reason.MALFORMED]


def test_truncated_and_extended_heads(world: DeviceWorld) -> None:
    world.chain.close_round([1], time_s=100)
    data = world.chain.light_block().encode()
    for broken in (data[:-1], data + b"x", data[:200]):
        assert refused(world.tell(Received(head_topic(world), broken))) == [Reason.MALFORMED]
    assert not refused(world.publish_head())


def test_too_few_and_wrong_signatures_on_a_head(world: DeviceWorld) -> None:
    chain = world.chain
    chain.close_round([1], time_s=100)
    few = chain.light_block(signers=(0, 1))
    assert refused(world.tell(Received(head_topic(world), few.encode()))) == [Reason.TOO_FEW_SIGNATURES]
    good = chain.light_block()
    signatures = (*good.finality.quorum.signatures[:2], bytes(64))
    wrong = replace(good, finality=replace(good.finality, quorum=Quorum(0b111, signatures)))
    assert refused(world.tell(Received(head_topic(world), wrong.encode()))) == [Reason.BAD_SIGNATURE]
    assert world.agent.participant is not None
    assert world.agent.participant.head.height == 1


def test_a_head_below_the_stored_height(world: DeviceWorld) -> None:
    world.chain.close_round([1], time_s=100)
    world.publish_head()
    assert refused(world.publish_head(1)) == [Reason.BELOW_STORED_HEIGHT]


def test_a_head_with_other_leaves(world: DeviceWorld) -> None:
    chain = world.chain
    chain.close_round([1], time_s=100)
    block = chain.light_block()
    lie = replace(block, app=replace(block.app, model_root=bytes(32)))
    assert refused(world.tell(Received(head_topic(world), lie.encode()))) == [Reason.WRONG_HASH]


def test_heads_of_validators_we_do_not_follow_are_ignored(world: DeviceWorld) -> None:
    (other, *_) = [world.validator(i) for i in range(4) if world.validator(i) != world.followed]
    effects = world.tell(Received(world.identity.topics.chain_head(other), b"anything"))
    assert not refused(effects)


def test_a_receipt_that_the_validator_did_not_sign(world: DeviceWorld) -> None:
    (root,) = world.disk.updates
    receipt = world.receipt(root, validator=1)
    assert refused(world.say(receipt, validator=0)) == [Reason.BAD_SIGNATURE]
    for validator in (0, 1):
        world.say(replace(receipt, height=7), validator)
    assert world.phase() == Phase.SENDING


def test_two_receipts_of_one_validator_count_once(world: DeviceWorld) -> None:
    (root,) = world.disk.updates
    world.give_receipts(root, [2, 2, 2])
    assert world.phase() == Phase.SENDING
    world.give_receipts(root, [3])
    assert world.phase() == Phase.WAITING


def test_a_receipt_for_an_unknown_update_is_ignored(world: DeviceWorld) -> None:
    assert not refused(world.say(world.receipt(bytes(32), 0), 0))


def test_a_bitmap_of_another_size(world: DeviceWorld) -> None:
    (root,) = world.disk.updates
    world.acknowledge()
    assert refused(world.miss(MissingChunks(root, Bitmap(9, 1)))) == [Reason.OUT_OF_RANGE]
    assert not refused(world.miss(MissingChunks(bytes(32), Bitmap(9, 1))))


def test_an_account_proof_of_somebody_else(world: DeviceWorld) -> None:
    other = told(world.chain, 1 - (world.account or 0))
    before = len(world.effects)
    assert refused(world.say(other)) == [Reason.WRONG_HASH]
    assert not any(isinstance(one, SaveAccount) for one in world.effects[before:])


def test_an_account_proof_with_another_balance(world: DeviceWorld) -> None:
    awake = told(world.chain, world.account)
    assert awake.account is not None
    proof = awake.account.proof(world.signer.public_key)
    rich = BareAccount.of(replace(proof, account=replace(proof.account, balance=10**9)))
    assert refused(world.say(replace(awake, account=rich))) == [Reason.WRONG_HASH]


def test_an_answer_as_of_an_unknown_height_changes_nothing(world: DeviceWorld) -> None:
    awake = replace(told(world.chain, world.account), head=77)
    assert not refused(world.say(awake))
    assert not world.disk.fates


def test_an_inclusion_that_is_not_one(world: DeviceWorld) -> None:
    """The proof of another update, or of the right one at another height, settles nothing."""
    (root,) = world.disk.updates
    chain = world.chain
    chain.add([world.offers[0].head], time_s=100)
    world.publish_head()
    world.asks.clear()
    awake = told(chain, world.account, [root])
    (shown,) = awake.shown
    lies = {
        replace(shown, at=1): [Reason.WRONG_HASH],
        replace(shown, at=99): [],
        replace(shown, record=replace(shown.record, justification_hash=bytes(32))): [Reason.WRONG_HASH],
        replace(shown, name=bytes(8)): [],
    }
    for lie, reasons in lies.items():
        assert refused(world.say(replace(awake, shown=(lie,)))) == reasons
        assert not world.disk.fates
    world.say(replace(awake, shown=(shown, shown)))
    assert world.disk.fates[root].fate == Fate.INCLUDED
    world.say(awake)
    assert sum(isinstance(one, SettleUpdate) for one in world.effects) == 1


def test_a_validator_that_hides_an_inclusion_cannot_make_it_refused(world: DeviceWorld) -> None:
    (root,) = world.disk.updates
    chain = world.chain
    chain.add([world.offers[0].head], time_s=100)
    world.publish_head()
    world.give_receipts(root, [0, 1], Reason.REPLAY)
    world.asks.clear()
    world.say(replace(told(chain, world.account, [root]), shown=()))
    assert not world.disk.fates
    world.pass_ms(2_000)
    assert world.asks, "the next validator is asked"
    world.answer()
    assert world.disk.fates[root].fate == Fate.INCLUDED


def test_no_account_cannot_be_claimed_away(world: DeviceWorld) -> None:
    (root,) = world.disk.updates
    world.give_receipts(root, [0, 1], Reason.OUT_OF_RANGE)
    world.asks.clear()
    world.say(Awake(world.chain.height, None, ()))
    assert not world.disk.fates
    assert not world.registered


class TestObjects:
    """Chunks that are wrong, in a device that joins."""

    @pytest.fixture
    def joining(self) -> DeviceWorld:
        world = DeviceWorld(ChainMaker())
        world.link_up()
        return world

    def piece(self, world: DeviceWorld, kind: ObjectKind, piece: Piece, index: int = 0) -> list[AgentEffect]:
        chain = world.chain
        root = chain.chain_id if kind == ObjectKind.GENESIS else chain.genesis.graph_root
        topic = world.identity.topics.down_chunk(world.identity.device, world.validator(0), root.hex(), index)
        return world.tell(Received(topic, piece.encode()))

    def test_a_false_genesis(self, joining: DeviceWorld) -> None:
        effects = self.piece(joining, ObjectKind.GENESIS, Piece(1, b"not the genesis"))
        assert refused(effects) == [Reason.WRONG_HASH]
        joining.pass_ms(2_000)
        joining.answer()
        assert joining.phase() == Phase.REGISTERING

    def test_the_genesis_of_another_chain(self, joining: DeviceWorld) -> None:
        other = replace(joining.chain.genesis, t0_s=1).encode()
        assert refused(self.piece(joining, ObjectKind.GENESIS, Piece(1, other))) == [Reason.WRONG_HASH]

    def test_a_false_graph_is_fetched_again(self, joining: DeviceWorld) -> None:
        (ask,) = joining.asks
        joining.asks.clear()
        joining.answer_one(ask)
        graph = [one for one in joining.asks if isinstance(one.question, GetChunks)]
        assert graph[0].question == GetChunks(
            ObjectKind.GRAPH, joining.chain.genesis.graph_root, Bitmap(0, 0)
        )
        self.piece(joining, ObjectKind.GRAPH, Piece(2, bytes(16384)), 0)
        effects = self.piece(joining, ObjectKind.GRAPH, Piece(2, b"lie"), 1)
        assert refused(effects) == [Reason.WRONG_HASH]
        joining.pass_ms(5_000)
        joining.answer()
        assert joining.phase() == Phase.REGISTERING

    def test_half_an_object_delays_nothing_else(self, joining: DeviceWorld) -> None:
        """A piece in the middle is not the moment to look at everything; what is due comes by itself."""
        (ask,) = joining.asks
        joining.answer_one(ask)
        joining.now_ms += 60_000
        assert self.piece(joining, ObjectKind.GRAPH, Piece(2, bytes(16384)), 0) == []
        due_ms = joining.agent.deadline()
        assert due_ms is not None
        assert due_ms <= joining.now_ms
        assert any(isinstance(one, Publish) for one in joining.tell(Woke()))

    def test_an_endless_object(self, joining: DeviceWorld) -> None:
        effects = self.piece(joining, ObjectKind.GENESIS, Piece(4096, bytes(16384)))
        assert refused(effects) == [Reason.OVERSIZE]

    def test_pieces_nobody_asked_for(self, world: DeviceWorld) -> None:
        topic = world.identity.topics.down_chunk(world.identity.device, world.validator(0), "ab" * 32, 0)
        for _ in range(100):
            assert not refused(world.tell(Received(topic, Piece(64, bytes(16384)).encode())))


def test_a_forked_chain_halts_the_device_for_good(world: DeviceWorld) -> None:
    """Two final headers of one height: keep the evidence, stop, stay stopped after a restart."""
    twin = ChainMaker(devices=2)
    twin.add([], time_s=77)
    world.chain.close_round([1], time_s=100)
    world.publish_head()
    effects = world.tell(Received(head_topic(world), twin.light_block().encode()))
    assert [type(one).__name__ for one in effects] == ["SaveConflict", "Publish", "Note", "Halt"]
    assert world.phase() == Phase.HALTED
    assert world.publish_head() == []
    assert world.agent.deadline() is None
    world.restart()
    assert world.phase() == Phase.HALTED
    assert world.link_up() == []


def test_questions_are_bounded(world: DeviceWorld) -> None:
    """Every pending update is named, and there is a place for each in one message."""
    assert [one for one in world.asks if isinstance(one.question, Wake)] == []
    world.link_lost()
    world.link_up()
    (ask,) = world.asks
    assert isinstance(ask, Ask)
    assert isinstance(ask.question, Wake)
    assert ask.question.update_roots == tuple(world.disk.updates)
