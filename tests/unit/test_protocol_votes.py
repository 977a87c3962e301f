"""[CON-1], [CON-3], [CON-4]: what a vote is about, and when signatures make a certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.hashing import ZERO_HASH
from edge_client.protocol.keys import verify
from edge_client.protocol.validators import ValidatorSet
from edge_client.protocol.votes import (
    Certificate,
    Finality,
    Proposal,
    Quorum,
    Subject,
    VoteKind,
    finalize,
    notarize,
    nullify,
    vote,
)
from tests.builders import ChainMaker, make_genesis, make_signers
from tests.protocol_examples import chain

SIGNERS = make_signers(16)
CHAIN = chain().chain_id
HEADER = chain().headers[0]
SUBJECT = finalize(HEADER, HEADER.hash(CHAIN))


def validators(count: int = 4) -> ValidatorSet:
    return ValidatorSet(tuple(one.public_key for one in SIGNERS[:count]))


def quorum_of(*indices: int) -> Quorum:
    message = SUBJECT.signing_bytes(CHAIN)
    return Quorum.of({i: SIGNERS[i].sign(message) for i in indices})


@pytest.mark.parametrize(
    "subject",
    [
        Subject(0, 0, 1, 1, b"h" * 32),
        Subject(4, 0, 1, 1, b"h" * 32),
        Subject(VoteKind.NOTARIZE, 0, 0, 1, b"h" * 32),
        Subject(VoteKind.NOTARIZE, 0, 1, 0, b"h" * 32),
        Subject(VoteKind.FINALIZE, 0, 1, 0, ZERO_HASH),
        Subject(VoteKind.NULLIFY, 0, 1, 1, ZERO_HASH),
        Subject(VoteKind.NULLIFY, 0, 1, 0, b"h" * 32),
    ],
    ids=["kind 0", "kind 4", "slot 0", "height 0", "final genesis", "nullified height", "nullified hash"],
)
def test_subjects_without_a_meaning_are_refused(subject: Subject) -> None:
    with pytest.raises(DecodeError):
        Subject.decode(subject.encode())


def test_kinds_are_signed_apart() -> None:
    header_hash = HEADER.hash(CHAIN)
    subjects = [notarize(HEADER, header_hash), finalize(HEADER, header_hash), nullify(0, HEADER.slot)]
    assert len({one.signing_bytes(CHAIN)[:8] for one in subjects}) == 3


def test_a_vote_counts_for_its_signer_only() -> None:
    good = vote(SUBJECT, 2, SIGNERS[2].sign(SUBJECT.signing_bytes(CHAIN)))
    good.verify(CHAIN, validators(), verify)
    for broken, reason in (
        (replace(good, signer=1), Reason.BAD_SIGNATURE),
        (replace(good, signer=4), Reason.WRONG_SENDER),
        (replace(good, slot=good.slot + 1), Reason.BAD_SIGNATURE),
    ):
        with pytest.raises(ProtocolError) as caught:
            broken.verify(CHAIN, validators(), verify)
        assert caught.value.reason == reason
    with pytest.raises(ProtocolError):
        good.verify(b"other chain".ljust(32), validators(), verify)


@pytest.mark.parametrize(
    ("count", "needed"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (16, 11)]
)
def test_more_than_two_thirds_sign_a_certificate(count: int, needed: int) -> None:
    quorum_of(*range(needed)).verify(SUBJECT, CHAIN, validators(count), verify)
    quorum_of(*range(count - needed, count)).verify(SUBJECT, CHAIN, validators(count), verify)
    with pytest.raises(ProtocolError) as caught:
        quorum_of(*range(needed - 1)).verify(SUBJECT, CHAIN, validators(count), verify)
    assert caught.value.reason == Reason.TOO_FEW_SIGNATURES


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (quorum_of(0, 1, 4), Reason.WRONG_SENDER),
        (Quorum(0b111, quorum_of(0, 1, 3).signatures), Reason.BAD_SIGNATURE),
        (Quorum(0b111, (quorum_of(0).signatures[0],) * 3), Reason.BAD_SIGNATURE),
        (Quorum(0, ()), Reason.TOO_FEW_SIGNATURES),
    ],
    ids=["outside the set", "another's signature", "one signer thrice", "empty"],
)
def test_broken_certificates_are_refused(broken: Quorum, reason: Reason) -> None:
    with pytest.raises(ProtocolError) as caught:
        Certificate(SUBJECT, broken).verify(CHAIN, validators(), verify)
    assert caught.value.reason == reason


def test_signatures_are_counted_before_one_is_checked() -> None:
    def never(*_: bytes) -> bool:
        raise AssertionError

    with pytest.raises(ProtocolError, match="2 signatures, 3 needed"):
        quorum_of(0, 1).verify(SUBJECT, CHAIN, validators(), never)


def test_a_certificate_lists_signers_in_ascending_order() -> None:
    message = SUBJECT.signing_bytes(CHAIN)
    shuffled = Quorum.of({i: SIGNERS[i].sign(message) for i in (3, 0, 2)})
    assert shuffled == quorum_of(0, 2, 3)
    assert shuffled.encode()[:2] == b"\x00\x0d"


def test_a_certificate_gives_back_its_votes() -> None:
    votes = Certificate(SUBJECT, quorum_of(0, 2, 3)).votes()
    assert [one.signer for one in votes] == [0, 2, 3]
    for one in votes:
        one.verify(CHAIN, validators(), verify)


def shown_final(slot: int) -> Finality:
    message = finalize(HEADER, HEADER.hash(CHAIN), slot).signing_bytes(CHAIN)
    return Finality(slot, Quorum.of({i: SIGNERS[i].sign(message) for i in range(3)}))


@pytest.mark.parametrize("later", [0, 1, 1000])
def test_a_block_is_final_by_votes_of_its_slot_or_a_later_one(later: int) -> None:
    """It is proposed again until an FC comes about."""
    shown = shown_final(HEADER.slot + later)
    shown.verify(HEADER, CHAIN, validators(), verify)
    certificate = shown.certificate(HEADER, CHAIN)
    assert certificate.subject.slot == HEADER.slot + later
    assert Finality.of(certificate) == shown


def test_finality_of_an_earlier_slot_is_of_another_block() -> None:
    header = replace(HEADER, slot=HEADER.slot + 1)
    subject = finalize(header, header.hash(CHAIN), HEADER.slot)
    signatures = {i: SIGNERS[i].sign(subject.signing_bytes(CHAIN)) for i in range(3)}
    with pytest.raises(ProtocolError) as caught:
        Finality(HEADER.slot, Quorum.of(signatures)).verify(header, CHAIN, validators(), verify)
    assert caught.value.reason == Reason.MALFORMED


def test_finality_is_of_the_slot_it_names() -> None:
    with pytest.raises(ProtocolError) as caught:
        replace(shown_final(HEADER.slot), slot=HEADER.slot + 1).verify(HEADER, CHAIN, validators(), verify)
    assert caught.value.reason == Reason.BAD_SIGNATURE


LEADER = SIGNERS[HEADER.proposer]


def leader_signed(slot: int = HEADER.slot) -> Proposal:
    unsigned = Proposal(slot, HEADER, b"")
    return replace(unsigned, signature=LEADER.sign(unsigned.signing_bytes(CHAIN)))


@pytest.mark.parametrize(
    "change",
    [
        lambda one: replace(one, signature=bytes(64)),
        lambda one: replace(one, header=replace(HEADER, time_s=HEADER.time_s + 1)),
        lambda one: replace(one, slot=one.slot + 1),
    ],
    ids=["unsigned", "another header", "another slot"],
)
def test_a_proposal_is_signed_by_the_leader_of_its_slot(change: Callable[[Proposal], Any]) -> None:
    good = leader_signed()
    good.verify(CHAIN, LEADER.public_key, verify)
    with pytest.raises(ProtocolError) as caught:
        change(good).verify(CHAIN, LEADER.public_key, verify)
    assert caught.value.reason == Reason.BAD_SIGNATURE
    with pytest.raises(ProtocolError):
        good.verify(CHAIN, SIGNERS[9].public_key, verify)


def test_no_block_is_proposed_before_its_own_slot() -> None:
    early = replace(leader_signed(), header=replace(HEADER, slot=HEADER.slot + 1))
    with pytest.raises(DecodeError):
        Proposal.decode(early.encode())
    assert Proposal.decode(leader_signed(HEADER.slot + 5).encode()).slot == HEADER.slot + 5


def test_the_lowest_signatures_of_a_full_set_are_still_a_quorum() -> None:
    sixteen = ChainMaker(make_genesis(validators=16))
    sixteen.join(1)
    full = sixteen.certificate(1, signers=range(16))
    few = full.quorum.lowest(sixteen.validators.quorum)
    assert len(few.signatures) == 11
    few.verify(full.subject, sixteen.chain_id, sixteen.validators, verify)
