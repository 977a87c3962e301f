"""The way of an update: window, acknowledgements, lists of missing chunks, back-off, receipts."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest

from edge_client.core.agent import Phase
from edge_client.core.events import PendingUpdate, PublishChunk
from edge_client.core.identity import Identity
from edge_client.core.outbox import PENDING_MAX, REPEATS_MAX, Outbox
from edge_client.core.waking import Placed
from edge_client.protocol.accounts import Account
from edge_client.protocol.body import RecordProof
from edge_client.protocol.chunks import CHUNK_BYTES, WINDOW_CHUNKS, Bitmap
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.handoff import Handoff, SeatChange, SetProof
from edge_client.protocol.machine import Acknowledged, Publish
from edge_client.protocol.messages import ACCEPTED, REASONS, REFUSED, Handoffs, Receipt
from edge_client.protocol.params import STALENESS_MAX
from edge_client.protocol.update import UpdateHead
from tests.builders import ChainMaker, make_genesis, make_params, make_signers
from tests.candidacies import ELECTIONS, opt_in, seat_key
from tests.device_world import DeviceWorld

CHUNKS = 10
ROOT = bytes([7]) * 32
OTHER = bytes([8]) * 32
(SIGNER,) = make_signers(1, "device")
KEYS = [signer.public_key for signer in make_signers(5)]
"""Of four validators, and of one that comes later."""


def pending(root: bytes = ROOT, round_number: int = 3) -> PendingUpdate:
    head = UpdateHead(0, round_number, 2, bytes(32), root, CHUNKS * CHUNK_BYTES, 10, 10)
    return PendingUpdate(head, tuple(bytes([i]) * 32 for i in range(CHUNKS)))


@pytest.fixture
def outbox() -> Outbox:
    """Four validators (f = 1), link up, one update of ten chunks."""
    box = Outbox(Identity(SIGNER, bytes(32)), faulty_max=1)
    box.link_up(0)
    box.add(pending(), 0)
    return box


def indices(effects: list[Publish | PublishChunk]) -> list[int]:
    return [one.index for one in effects if isinstance(one, PublishChunk)]


def offers(effects: list[Publish | PublishChunk]) -> int:
    return sum(isinstance(one, Publish) for one in effects)


def acknowledge(box: Outbox, effects: list[Publish | PublishChunk], *, delivered: bool = True) -> None:
    for one in effects:
        if isinstance(one, PublishChunk):
            box.acknowledged(Acknowledged(one.token, delivered))


def send_all(box: Outbox, now_ms: int = 0) -> list[int]:
    """Let the MQTT server take everything; returns the indices in order."""
    sent: list[int] = []
    while effects := box.advance(now_ms):
        sent += indices(effects)
        acknowledge(box, effects)
    return sent


def receipt(verdict: int = ACCEPTED, reason: Reason | None = None, root: bytes = ROOT) -> Receipt:
    return Receipt(verdict, 0 if reason is None else REASONS.index(reason), 5, root)


def account(last_round: int) -> Account:
    return Account(SIGNER.public_key, last_round=last_round)


def test_head_first_then_a_window_of_chunks(outbox: Outbox) -> None:
    effects = outbox.advance(0)
    assert isinstance(effects[0], Publish)
    assert indices(effects) == list(range(WINDOW_CHUNKS))
    assert outbox.advance(0) == []
    acknowledge(outbox, effects[1:3])
    assert indices(outbox.advance(0)) == [4, 5]


def test_every_chunk_goes_once(outbox: Outbox) -> None:
    assert send_all(outbox) == list(range(CHUNKS))


def test_nothing_is_sent_without_a_link() -> None:
    box = Outbox(Identity(SIGNER, bytes(32)), faulty_max=1)
    box.add(pending(), 0)
    assert box.advance(10**6) == []
    assert box.deadline() is None


def test_a_lost_link_forgets_tokens_and_sends_again(outbox: Outbox) -> None:
    effects = outbox.advance(0)
    acknowledge(outbox, effects[:3])
    outbox.link_lost()
    acknowledge(outbox, effects)
    outbox.link_up(50)
    assert send_all(outbox, 50) == [2, 3, 4, 5, 6, 7, 8, 9]


def test_a_server_that_never_acknowledges_is_sent_everything_again(outbox: Outbox) -> None:
    first = outbox.advance(0)
    assert indices(outbox.advance(59_999)) == []
    assert indices(outbox.advance(60_000)) == indices(first)


def test_a_chunk_nobody_heard_goes_with_the_next_offer(outbox: Outbox) -> None:
    acknowledge(outbox, outbox.advance(0), delivered=False)
    assert send_all(outbox, 1) == [4, 5, 6, 7, 8, 9]
    assert send_all(outbox, 3_000) == [0, 1, 2, 3]


def test_offers_back_off_until_enough_validators_confirm(outbox: Outbox) -> None:
    send_all(outbox)
    times = [now_ms for now_ms in range(0, 200_000, 500) if offers(outbox.advance(now_ms))]
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps[0] < gaps[1] < gaps[2]
    assert max(gaps) <= 60_000
    outbox.receipt(KEYS[0], receipt())
    outbox.receipt(KEYS[2], receipt())
    assert not outbox.sending
    assert outbox.advance(10**7) == []
    assert outbox.deadline() is None


def test_an_update_is_offered_again_when_who_confirmed_it_has_lost_its_seat(outbox: Outbox) -> None:
    send_all(outbox)
    outbox.receipt(KEYS[0], receipt())
    outbox.receipt(KEYS[2], receipt())
    outbox.seated(KEYS[:4])
    assert outbox.deadline() is None
    outbox.seated(KEYS[1:])
    assert outbox.sending
    assert offers(outbox.advance(10**6)) == 1
    outbox.receipt(KEYS[4], receipt())
    assert not outbox.sending


def test_a_refusal_of_who_has_lost_its_seat_counts_no_more(outbox: Outbox) -> None:
    for key in KEYS[:2]:
        outbox.receipt(key, receipt(REFUSED, Reason.JAILED))
    assert outbox.wants_claim
    outbox.seated(KEYS[1:])
    assert not outbox.wants_claim


def test_confirmations_stop_chunks_under_way(outbox: Outbox) -> None:
    outbox.advance(0)
    for validator in (1, 2):
        outbox.receipt(KEYS[validator], receipt())
    assert outbox.advance(0) == []


def test_missing_chunks_are_united_before_they_are_sent_again(outbox: Outbox) -> None:
    send_all(outbox)
    outbox.missing(ROOT, Bitmap.of(CHUNKS, [1, 2]), 100)
    outbox.missing(ROOT, Bitmap.of(CHUNKS, [2, 7]), 200)
    assert indices(outbox.advance(200)) == []
    assert send_all(outbox, 400) == [1, 2, 7]


def test_a_list_that_was_written_too_early_is_ignored(outbox: Outbox) -> None:
    effects = outbox.advance(0)
    outbox.missing(ROOT, Bitmap.of(CHUNKS, range(CHUNKS)), 1)
    acknowledge(outbox, effects)
    assert send_all(outbox, 2) == [4, 5, 6, 7, 8, 9]
    assert send_all(outbox, 1_000) == []


def test_unsigned_lists_cannot_make_us_send_for_ever(outbox: Outbox) -> None:
    now_ms = 0
    send_all(outbox)
    sent = 0
    with suppress(ProtocolError):
        for _ in range(2 * REPEATS_MAX):
            outbox.missing(ROOT, Bitmap.of(CHUNKS, [0]), now_ms)
            now_ms += 300
            sent += len(send_all(outbox, now_ms))
    assert REPEATS_MAX <= sent < 2 * REPEATS_MAX
    with pytest.raises(ProtocolError, match=Reason.RATE.value):
        outbox.missing(ROOT, Bitmap.of(CHUNKS, [0]), now_ms)


def test_a_restored_update_waits_for_what_validators_miss() -> None:
    box = Outbox(Identity(SIGNER, bytes(32)), faulty_max=1)
    box.restore(pending())
    box.link_up(0)
    effects = box.advance(0)
    assert (offers(effects), indices(effects)) == (1, [])
    box.missing(ROOT, Bitmap.of(CHUNKS, [3]), 10)
    assert send_all(box, 310) == [3]


def test_two_updates_share_one_window(outbox: Outbox) -> None:
    outbox.add(pending(OTHER, 4), 0)
    effects = outbox.advance(0)
    assert offers(effects) == 2
    assert len(indices(effects)) == WINDOW_CHUNKS
    assert {one.root for one in effects if isinstance(one, PublishChunk)} == {ROOT}


def test_a_later_word_of_a_validator_replaces_its_earlier_one(outbox: Outbox) -> None:
    outbox.receipt(KEYS[0], receipt())
    outbox.receipt(KEYS[1], receipt(REFUSED, Reason.JAILED))
    outbox.receipt(KEYS[0], receipt(REFUSED, Reason.JAILED))
    assert outbox.wants_claim
    outbox.receipt(KEYS[1], receipt())
    assert not outbox.wants_claim


@pytest.mark.parametrize(
    ("refusals", "round_number", "last_round", "fates"),
    [
        (0, 3, 0, []),
        (1, 3, 0, []),
        (2, 3, 0, ["refused"]),
        (2, 3, 3, []),
        (0, 11, 0, []),
        (0, 12, 0, ["expired"]),
        (2, 12, 0, ["expired"]),
        (0, 12, 3, ["included"]),
        (0, 12, 4, ["expired"]),
    ],
)
def test_what_an_absent_update_is(
    outbox: Outbox, refusals: int, round_number: int, last_round: int, fates: list[str]
) -> None:
    for validator in range(refusals):
        outbox.receipt(KEYS[validator], receipt(REFUSED, Reason.WRONG_SHAPE))
    settled = outbox.settle_absent(account(last_round), 50, round_number, 8)
    assert [one.fate.value for one in settled] == fates
    assert bool(outbox.roots) == (not fates)


def test_a_list_while_chunks_still_wait_is_ignored(outbox: Outbox) -> None:
    """Nothing is under way, but the window has not reached the last chunks yet."""
    acknowledge(outbox, outbox.advance(0))
    outbox.missing(ROOT, Bitmap.of(CHUNKS, [0]), 1)
    assert send_all(outbox, 2) == [4, 5, 6, 7, 8, 9]
    assert send_all(outbox, 2_000) == []


def test_it_wakes_to_send_what_was_collected(outbox: Outbox) -> None:
    send_all(outbox)
    assert outbox.deadline() == 3_000
    outbox.missing(ROOT, Bitmap.of(CHUNKS, [1]), 100)
    assert outbox.deadline() == 400
    send_all(outbox, 400)
    assert outbox.deadline() == 3_000


def test_an_update_of_every_acceptable_round_has_its_place(outbox: Outbox) -> None:
    assert PENDING_MAX == STALENESS_MAX + 2
    for number in range(PENDING_MAX - 1):
        assert not outbox.full
        outbox.add(pending(bytes([100 + number]) * 32, 4 + number), 0)
    assert outbox.full
    assert outbox.base_height_min == 2


def test_pending_updates_are_found_by_root(outbox: Outbox) -> None:
    assert outbox.update(ROOT) == pending()
    assert outbox.update(OTHER) is None


def test_acknowledgements_of_a_settled_update_are_harmless(outbox: Outbox) -> None:
    effects = outbox.advance(0)
    outbox.settle_placed(Placed(ROOT, 4, RecordProof(0, 1, (), bytes(32)), None), 4)
    acknowledge(outbox, effects, delivered=False)
    outbox.receipt(KEYS[0], receipt())
    outbox.missing(ROOT, Bitmap.of(CHUNKS, [1]), 1)
    outbox.link_lost()
    outbox.link_up(9)
    assert outbox.advance(9) == []


def test_the_agent_notices_who_has_lost_its_seat() -> None:
    """Two of four confirmed an update, and one of them is replaced."""
    rules = {**ELECTIONS, "k": 1, "epoch_blocks": 6}
    world = DeviceWorld(ChainMaker(make_genesis(params=make_params(**rules)))).join()
    chain = world.chain
    world.finish_training()
    chain.add([world.offers[0].head], time_s=100)
    chain.add([opt_in(chain, 0)])
    world.publish_head()
    world.answer()
    root = world.finish_training()
    world.give_receipts(root, (0, 1))
    assert world.phase() != Phase.SENDING

    while not chain.state.seats.is_sealed:
        chain.add()
    seats, block = chain.state.seats, chain.light_block()
    sets = SetProof.of(block.app, seats.validators, seats.next_validators)
    assert sets.changes == (SeatChange(0, seat_key(0).public_key),)
    world.say(Handoffs((Handoff(block.header, block.finality, sets),)))
    assert world.phase() == Phase.SENDING
