"""Desk of devices: what is signed about an update and when, and what a device cannot make a validator do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from broker.core.effects import StoreFinal, StoreUpdate
from broker.core.ingest import UPLOADS_PER_DEVICE_MAX
from broker.core.rate import DEVICE_ASKS
from edge_client.protocol.checkpoint import GetCheckpoint
from edge_client.protocol.chunks import CHUNK_BYTES, Bitmap, ObjectKind, chunk_hash
from edge_client.protocol.errors import Reason
from edge_client.protocol.keys import Signer, node_id, verify
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import (
    ACCEPTED,
    REASONS,
    REFUSED,
    GetChunks,
    GetHeaders,
    MissingChunks,
    SubmitRecord,
    UpdateOffer,
)
from edge_client.protocol.update import update_root, update_root_of
from edge_client.protocol.wake import Awake, Wake
from tests.builders import MadeUpdate, make_body, make_signers, params_change, register
from tests.lone_validator import LoneValidator, receipts, refusals, said

STRANGER = make_signers(30, "device")[29]
CHEAP = GetChunks(ObjectKind.MODEL, bytes(32), Bitmap(0, 0))


@pytest.fixture
def lone() -> LoneValidator:
    """A validator with three registered devices; two updates close a round."""
    return LoneValidator(devices=3)


def close_round(lone: LoneValidator, accounts: tuple[int, ...] = (1, 2)) -> None:
    before = lone.state.learning.round
    for account in accounts:
        lone.hand_in(account)
    assert lone.state.learning.round == before + 1


def only_reason(effects: list[Any]) -> Reason:
    (refused,) = refusals(effects)
    return refused.reason


# --- receipts --------------------------------------------------------------------------------------------


def test_an_update_is_on_disk_before_its_receipt_is_sent(lone: LoneValidator) -> None:
    made, signer = lone.make_update(0), lone.signer_of(0)
    assert not said(lone.offer(signer, made)), "its chunks are under way"
    effects = lone.chunks(signer, made)
    (receipt,) = receipts(effects)
    stored = next(i for i, one in enumerate(effects) if isinstance(one, StoreUpdate))
    told = next(i for i, one in enumerate(effects) if isinstance(one, Publish) and "/down/" in one.topic)
    assert stored < told
    assert (receipt.verdict, receipt.update_root) == (ACCEPTED, made.head.update_root)
    receipt.verify(lone.chain_id, lone.signer.public_key, verify)


def test_an_offer_repeated_is_answered_with_the_receipt_again_before_and_after_its_block(
    lone: LoneValidator,
) -> None:
    made = lone.hand_in(0)
    assert [one.verdict for one in receipts(lone.offer(lone.signer_of(0), made))] == [ACCEPTED]
    lone.hand_in(1)
    assert lone.state.learning.round == 2
    assert [one.verdict for one in receipts(lone.offer(lone.signer_of(0), made))] == [ACCEPTED]


def test_an_offer_repeated_half_way_says_what_is_missing(lone: LoneValidator) -> None:
    made, signer = lone.make_update(0), lone.signer_of(0)
    lone.offer(signer, made)
    (missing,) = said(lone.offer(signer, made))
    assert isinstance(missing, MissingChunks)
    assert missing.missing.indices() == [0]
    assert not refusals(lone.effects)


def test_silent_uploads_are_reminded_ever_more_rarely(lone: LoneValidator) -> None:
    lone.offer(lone.signer_of(0), lone.make_update(0))
    lone.effects.clear()
    lone.run(10_000)
    assert len(said(lone.effects)) == 3
    lone.run(600_000)
    assert len(said(lone.effects)) < 20


# --- refusals that are signed ----------------------------------------------------------------------------


def test_an_update_of_a_round_that_counted_already_is_refused_for_good(lone: LoneValidator) -> None:
    first = lone.hand_in(0)
    twin, signer = lone.make_update(0, body=make_body(seed=77)), lone.signer_of(0)
    close_round(lone, (1,))
    (receipt,) = receipts(lone.offer(signer, twin))
    assert (receipt.verdict, REASONS[receipt.reason]) == (REFUSED, Reason.REPLAY)
    assert receipt.update_root == twin.head.update_root != first.head.update_root


def test_an_update_that_waited_too_long_is_refused_for_good() -> None:
    lone = LoneValidator(devices=3, staleness_max=1, k=2)
    old = lone.make_update(0)
    for _ in range(2):
        close_round(lone)
    (receipt,) = receipts(lone.offer(lone.signer_of(0), old))
    assert (receipt.verdict, REASONS[receipt.reason]) == (REFUSED, Reason.STALE)


def test_an_update_that_can_not_come_any_more_after_a_block_is_refused_for_good() -> None:
    """A late update waits beside a newer one of its account; the newer one counts first."""
    lone = LoneValidator(devices=3, k=3, k_max=3)
    late = lone.make_update(0)
    lone.hand_in(1)
    lone.run(60_000)
    assert lone.state.learning.round == 2
    lone.hand_in(0)
    lone.offer(lone.signer_of(0), late)
    lone.chunks(lone.signer_of(0), late)
    lone.effects.clear()
    lone.run(60_000)
    (receipt,) = receipts(lone.effects)
    assert (receipt.update_root, REASONS[receipt.reason]) == (late.head.update_root, Reason.REPLAY)
    stored = next(i for i, one in enumerate(lone.effects) if isinstance(one, StoreFinal))
    told = next(i for i, one in enumerate(lone.effects) if isinstance(one, Publish) and "/down/" in one.topic)
    assert stored < told


def test_a_body_that_does_not_parse_is_refused_for_good_once_it_is_whole(lone: LoneValidator) -> None:
    signer = lone.signer_of(0)
    body = bytes([5, 5]) + bytes(lone.genesis.manifest.parameter_count)
    made = rebuilt(lone, signer, body)
    lone.offer(signer, made)
    effects = lone.chunks(signer, made)
    (receipt,) = receipts(effects)
    assert (receipt.verdict, REASONS[receipt.reason]) == (REFUSED, Reason.OUT_OF_RANGE)
    assert only_reason(effects) == Reason.OUT_OF_RANGE
    assert not any(isinstance(one, StoreUpdate) for one in effects)


def rebuilt(lone: LoneValidator, signer: Signer, body: bytes, **changes: Any) -> MadeUpdate:
    """Account 0's update with any bytes as body."""
    root = update_root_of(signer.public_key, lone.state.learning.round, body)
    return MadeUpdate(lone.make_update(0, update_root=root, size=len(body), **changes).head, body)


# --- refusals that nobody may sign -----------------------------------------------------------------------


def test_nothing_is_signed_about_a_root_that_a_stranger_writes_into_a_head(lone: LoneValidator) -> None:
    """Otherwise f+1 signed refusals of somebody's update, collected by anybody, would make its device add it
    back to its residual while the update counts."""
    victim = lone.hand_in(0).head
    close_round(lone, (1,))
    thief = lone.signer_of(2)
    for head in (
        replace(victim, round=9),
        replace(victim, account=2),
        replace(victim, account=2, round=1).sign(thief, lone.chain_id),
        replace(victim, size=4),
        victim,
    ):
        for sender in (thief, STRANGER):
            effects = lone.offer(sender, MadeUpdate(head, b"x" * (head.size if head.size < 9 else 10)))
            assert receipts(effects) == []
            assert refusals(effects)


def test_nothing_is_signed_about_a_root_that_does_not_cover_the_chunks(lone: LoneValidator) -> None:
    made, signer = lone.make_update(0), lone.signer_of(0)
    offer = UpdateOffer(made.head, (chunk_hash(b"other"),))
    topic = lone.topics.up_head(node_id(signer.public_key), made.head.update_root.hex())
    effects = lone.receive(topic, offer.encode())
    assert receipts(effects) == []
    assert only_reason(effects) == Reason.WRONG_HASH


def test_too_few_steps_is_not_refused_for_good_because_the_rules_may_change(lone: LoneValidator) -> None:
    lone = LoneValidator(devices=3, partial_min_pct=100)
    signer = lone.signer_of(0)
    lazy = lone.make_update(0, steps=1)
    effects = lone.offer(signer, lazy)
    assert only_reason(effects) == Reason.OUT_OF_RANGE
    assert receipts(effects) == []
    relaxed = replace(lone.genesis.params, partial_min_pct=1, sequence=1)
    lone.ask(signer, SubmitRecord(params_change(lone.chain_id, relaxed)))
    lone.run(5_000)
    close_round(lone)
    lone.offer(signer, lazy)
    assert [one.verdict for one in receipts(lone.chunks(signer, lazy))] == [ACCEPTED]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"base_height": 9}, Reason.UNKNOWN_BASE),
        ({"base_model": bytes(32)}, Reason.UNKNOWN_BASE),
        ({"steps": 1}, Reason.OUT_OF_RANGE),
    ],
)
def test_what_may_be_this_validators_own_lag_is_counted_but_not_signed(
    lone: LoneValidator, changes: dict[str, Any], reason: Reason
) -> None:
    made = lone.make_update(0, signer=lone.signer_of(0), **changes)
    effects = lone.offer(lone.signer_of(0), made)
    assert only_reason(effects) == reason
    assert receipts(effects) == []


def test_an_account_that_is_not_here_yet_is_counted_but_not_signed(lone: LoneValidator) -> None:
    made = lone.make_update(0)
    head = replace(made.head, account=99).sign(lone.signer_of(0), lone.chain_id)
    effects = lone.offer(lone.signer_of(0), MadeUpdate(head, made.body))
    assert only_reason(effects) == Reason.UNREGISTERED
    assert receipts(effects) == []


def test_a_wrong_signature_is_refused_and_not_kept(lone: LoneValidator) -> None:
    made = lone.make_update(0)
    forged = MadeUpdate(replace(made.head, signature=bytes(64)), made.body)
    effects = lone.offer(lone.signer_of(0), forged)
    assert only_reason(effects) == Reason.BAD_SIGNATURE
    assert lone.chunks(lone.signer_of(0), forged) == []


def test_the_topic_must_name_the_root(lone: LoneValidator) -> None:
    made = lone.make_update(0)
    topic = lone.topics.up_head(node_id(lone.signer_of(0).public_key), bytes(32).hex())
    assert only_reason(lone.receive(topic, made.offer.encode())) == Reason.WRONG_HASH


# --- what a device cannot do -----------------------------------------------------------------------------


def test_a_device_has_one_update_a_round_even_with_two_uploads_open(lone: LoneValidator) -> None:
    signer = lone.signer_of(0)
    twins = [lone.make_update(0, body=make_body(seed=seed)) for seed in (1, 2)]
    for twin in twins:
        lone.offer(signer, twin)
    lone.effects.clear()
    for twin in twins:
        lone.chunks(signer, twin)
    assert [one.update_root for one in receipts(lone.effects)] == [twins[0].head.update_root]
    assert only_reason(lone.effects) == Reason.DUPLICATE
    assert only_reason(lone.offer(signer, twins[1])) == Reason.DUPLICATE


def test_open_uploads_of_a_device_are_bounded(lone: LoneValidator) -> None:
    signer = lone.signer_of(0)
    made = [lone.make_update(0, body=make_body(seed=seed)) for seed in range(UPLOADS_PER_DEVICE_MAX + 1)]
    for one in made:
        lone.offer(signer, one)
    assert lone.chunks(signer, made[0]) == []
    assert receipts(lone.chunks(signer, made[-1]))


def test_a_chunk_larger_than_a_chunk_is_refused_before_it_is_kept(lone: LoneValidator) -> None:
    """The last chunk of an upload has no fixed length, and the device chose its hash."""
    signer = lone.signer_of(0)
    huge = bytes(CHUNK_BYTES + 1)
    made = lone.make_update(0)
    hashes = (chunk_hash(huge),)
    root = update_root(signer.public_key, 1, made.head.size, hashes)
    offer = UpdateOffer(replace(made.head, update_root=root).sign(signer, lone.chain_id), hashes)
    device = node_id(signer.public_key)
    lone.receive(lone.topics.up_head(device, root.hex()), offer.encode())
    effects = lone.receive(lone.topics.up_chunk(device, root.hex(), 0), huge)
    assert only_reason(effects) == Reason.OVERSIZE
    assert receipts(effects) == []


def test_a_chunk_of_somebody_elses_update_is_refused(lone: LoneValidator) -> None:
    made = lone.make_update(0)
    lone.offer(lone.signer_of(0), made)
    effects = lone.chunks(lone.signer_of(1), made)
    assert only_reason(effects) == Reason.WRONG_SENDER
    assert receipts(lone.chunks(lone.signer_of(0), made))


def test_a_wrong_chunk_is_refused_and_the_right_one_still_counts(lone: LoneValidator) -> None:
    made, signer = lone.make_update(0), lone.signer_of(0)
    lone.offer(signer, made)
    effects = lone.chunks(signer, MadeUpdate(made.head, b"not it"))
    assert only_reason(effects) == Reason.WRONG_HASH
    assert receipts(effects) == []
    assert receipts(lone.chunks(signer, made))


def test_questions_beyond_the_allowance_are_refused(lone: LoneValidator) -> None:
    asked = [refusals(lone.ask(STRANGER, CHEAP)) for _ in range(DEVICE_ASKS.burst + 1)]
    assert [bool(one) for one in asked] == [False] * DEVICE_ASKS.burst + [True]
    assert asked[-1][0].reason == Reason.RATE
    lone.now_ms += 1000
    assert not refusals(lone.ask(STRANGER, CHEAP))


def test_dear_questions_use_the_allowance_up_sooner(lone: LoneValidator) -> None:
    roots = tuple(bytes([i]) * 32 for i in range(15))
    asked = [refusals(lone.ask(STRANGER, wake(*roots))) for _ in range(4)]
    assert [bool(one) for one in asked] == [False] * 3 + [True]
    other = make_signers(1, "other")[0]
    asked = [refusals(lone.ask(other, GetHeaders(1, 1))) for _ in range(9)]
    assert [bool(one) for one in asked] == [False] * 8 + [True]


def test_one_device_cannot_use_up_the_allowance_of_another(lone: LoneValidator) -> None:
    for _ in range(DEVICE_ASKS.burst + 5):
        lone.ask(STRANGER, CHEAP)
    assert not refusals(lone.ask(lone.signer_of(0), CHEAP))


# --- records ---------------------------------------------------------------------------------------------


def test_a_registration_of_another_devices_key_is_refused(lone: LoneValidator) -> None:
    record = register(STRANGER, lone.chain_id)
    assert only_reason(lone.ask(lone.signer_of(0), SubmitRecord(record))) == Reason.WRONG_SENDER


def test_a_registration_sent_again_is_no_fault(lone: LoneValidator) -> None:
    signer = lone.signer_of(0)
    assert lone.ask(signer, SubmitRecord(register(signer, lone.chain_id))) == []


def test_an_update_is_no_record(lone: LoneValidator) -> None:
    made = lone.make_update(0)
    assert only_reason(lone.ask(lone.signer_of(0), SubmitRecord(made.head))) == Reason.MALFORMED


# --- waking up -------------------------------------------------------------------------------------------


def wake(*roots: bytes) -> Wake:
    return Wake(0, 0, 1, fresh=False, update_roots=roots)


def test_an_answer_shows_the_account_and_each_included_update_once(lone: LoneValidator) -> None:
    made = lone.hand_in(0)
    close_round(lone, (1,))
    root = made.head.update_root
    (awake,) = said(lone.ask(lone.signer_of(0), wake(root, root, bytes(32))))
    assert isinstance(awake, Awake)
    assert awake.account is not None
    assert awake.account.proof(lone.signer_of(0).public_key).root() == lone.state.accounts.root()
    (shown,) = awake.shown
    assert shown.at == awake.height
    header = lone.store.header(awake.height)
    assert header is not None
    assert shown.record.body_root_for(made.head) == header.body_root


def test_a_stranger_may_ask_and_has_no_account(lone: LoneValidator) -> None:
    (awake,) = said(lone.ask(STRANGER, wake()))
    assert isinstance(awake, Awake)
    assert awake.account is None


# --- what devices may fetch ------------------------------------------------------------------------------


def chunk_topics(effects: list[Any]) -> list[str]:
    return [one.topic for one in effects if isinstance(one, Publish) and "/chunk/" in one.topic]


def test_a_device_fetches_what_it_trains_with(lone: LoneValidator) -> None:
    params = lone.state.params.hash()
    for kind, root in (
        (ObjectKind.GENESIS, lone.chain_id),
        (ObjectKind.GRAPH, lone.genesis.graph_root),
        (ObjectKind.MODEL, lone.genesis.model_root),
        (ObjectKind.PARAMS, params),
        (ObjectKind.BLOCK, lone.machine.head.hash),
    ):
        assert chunk_topics(lone.ask(lone.signer_of(0), GetChunks(kind, root, Bitmap(0, 0))))


def test_no_device_gets_the_update_of_another(lone: LoneValidator) -> None:
    made = lone.hand_in(0)
    effects = lone.ask(lone.signer_of(1), GetChunks(ObjectKind.UPDATE, made.head.update_root, Bitmap(0, 0)))
    assert only_reason(effects) == Reason.WRONG_SENDER
    assert not chunk_topics(effects)


@pytest.mark.parametrize("question", [GetChunks(ObjectKind.STATE, bytes(32), Bitmap(0, 0)), GetCheckpoint()])
def test_checkpoints_are_for_validators(lone: LoneValidator, question: GetChunks | GetCheckpoint) -> None:
    assert only_reason(lone.ask(lone.signer_of(0), question)) == Reason.WRONG_SENDER


def test_while_old_blocks_are_lacking_only_claims_it_can_answer_whole_are_answered(
    lone: LoneValidator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in a block that is not here yet would look as if it never counted."""
    close_round(lone)
    known = next(root for root, _ in lone.store.inclusions())
    questions = [wake(), wake(known), wake(known, bytes(32))]
    answers = [[type(one) for one in said(lone.ask(lone.signer_of(1), one))] for one in questions]
    assert answers == [[Awake], [Awake], [Awake]]
    monkeypatch.setattr(lone.store, "lacking", lambda: 1)
    answers = [[type(one) for one in said(lone.ask(lone.signer_of(1), one))] for one in questions]
    assert answers == [[Awake], [Awake], []]
