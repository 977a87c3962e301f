"""[EVI-1] to [EVI-3]: what is a pair, and whom it convicts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.evidence import ProposalPair, VotePair, pair_of
from edge_client.protocol.keys import verify
from edge_client.protocol.records import decode_record, encode_record
from edge_client.protocol.votes import Vote, VoteKind
from tests.builders import ChainMaker, make_genesis, make_signers
from tests.candidacies import block_vote, nullify_vote, proposal, proposal_pair, vote_pair

CHAIN = ChainMaker()
CHEAT, OTHER = make_signers(2)
KEY = CHEAT.public_key


def cast(kind: VoteKind, mark: int = 1, slot: int = 9) -> Vote:
    return nullify_vote(CHAIN, CHEAT, slot) if kind == VoteKind.NULLIFY else block_vote(
        CHAIN, CHEAT, kind, mark, slot
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (cast(VoteKind.NOTARIZE), cast(VoteKind.NOTARIZE, 2)),
        (cast(VoteKind.FINALIZE), cast(VoteKind.FINALIZE, 2)),
        (cast(VoteKind.NULLIFY), cast(VoteKind.FINALIZE)),
    ],
)
def test_contradicting_votes_convict_in_one_encoding(first: Vote, second: Vote) -> None:
    pair = pair_of(KEY, first, second)
    assert pair == pair_of(KEY, second, first)
    pair.verify(CHAIN.chain_id, verify)
    assert decode_record(encode_record(pair)) == pair


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (cast(VoteKind.NOTARIZE), cast(VoteKind.NOTARIZE)),
        (cast(VoteKind.FINALIZE), cast(VoteKind.FINALIZE)),
        (cast(VoteKind.NULLIFY), cast(VoteKind.NULLIFY)),
        (cast(VoteKind.NOTARIZE), cast(VoteKind.FINALIZE)),
        (cast(VoteKind.NOTARIZE), cast(VoteKind.FINALIZE, 2)),
        (cast(VoteKind.NOTARIZE), cast(VoteKind.NULLIFY)),
        (cast(VoteKind.NOTARIZE), cast(VoteKind.NOTARIZE, 2, slot=10)),
        (cast(VoteKind.NOTARIZE), replace(cast(VoteKind.NOTARIZE, 2), epoch=1)),
    ],
)
def test_what_an_honest_validator_may_sign_is_no_pair(first: Vote, second: Vote) -> None:
    for one, other in ((first, second), (second, first)):
        with pytest.raises(DecodeError):
            pair_of(KEY, one, other)


def test_the_same_message_signed_twice_is_no_pair() -> None:
    once = cast(VoteKind.NOTARIZE)
    with pytest.raises(DecodeError):
        pair_of(KEY, once, replace(once, signature=bytes(64)))


def swapped(pair: VotePair) -> VotePair:
    first = (pair.first_kind, pair.first_height, pair.first_hash, pair.first_signature)
    second = (pair.second_kind, pair.second_height, pair.second_hash, pair.second_signature)
    return VotePair(pair.key, pair.epoch, pair.slot, *second, *first)


def test_the_other_order_is_refused() -> None:
    with pytest.raises(DecodeError):
        VotePair.decode(swapped(vote_pair(CHAIN, CHEAT)).encode())
    pair = proposal_pair(CHAIN, CHEAT)
    other = ProposalPair(
        KEY,
        pair.slot,
        pair.second_header,
        pair.second_signature,
        pair.first_header,
        pair.first_signature,
    )
    with pytest.raises(DecodeError):
        ProposalPair.decode(other.encode())


def test_two_proposals_of_a_slot_convict_their_leader() -> None:
    pair = proposal_pair(CHAIN, CHEAT)
    pair.verify(CHAIN.chain_id, verify)
    assert decode_record(encode_record(pair)) == pair


@pytest.mark.parametrize("changes", [{}, {"epoch": 1}, {"slot": 10}])
def test_proposals_that_do_not_contradict_are_no_pair(changes: dict[str, int]) -> None:
    """The same one; one of another epoch; one of a block that is younger than the slot."""
    first, second = proposal(CHAIN, CHEAT), proposal(CHAIN, CHEAT, **changes)
    with pytest.raises(DecodeError):
        pair_of(KEY, first, second)


def test_proposing_a_parent_again_in_another_slot_is_honest() -> None:
    first = proposal(CHAIN, CHEAT)
    with pytest.raises(DecodeError):
        pair_of(KEY, first, replace(first, slot=10))


def test_a_vote_and_a_proposal_are_no_pair() -> None:
    with pytest.raises(DecodeError):
        pair_of(KEY, cast(VoteKind.NOTARIZE), proposal(CHAIN, CHEAT))


@pytest.mark.parametrize("pair", [vote_pair(CHAIN, CHEAT), proposal_pair(CHAIN, CHEAT)], ids=["N/N", "P/P"])
def test_only_the_named_key_is_convicted_and_only_by_both_of_its_signatures(
    pair: VotePair | ProposalPair,
) -> None:
    elsewhere = ChainMaker(make_genesis(5)).chain_id
    stolen = pair_of(
        KEY, block_vote(CHAIN, CHEAT, VoteKind.NOTARIZE), block_vote(CHAIN, OTHER, VoteKind.NOTARIZE, 2)
    )
    for broken, chain_id in (
        (replace(pair, key=OTHER.public_key), CHAIN.chain_id),
        (replace(pair, first_signature=pair.second_signature), CHAIN.chain_id),
        (replace(pair, second_signature=bytes(64)), CHAIN.chain_id),
        (replace(pair, slot=pair.slot + 1), CHAIN.chain_id),
        (stolen, CHAIN.chain_id),
        (pair, elsewhere),
    ):
        with pytest.raises(ProtocolError) as caught:
            broken.verify(chain_id, verify)
        assert caught.value.reason == Reason.BAD_SIGNATURE
