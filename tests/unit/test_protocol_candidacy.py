"""[ELE-1], [ELE-2], [ELE-6], [EVI-3], [EVI-4]: opt-ins, opt-outs, convictions, bonds that come free."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_client.protocol.accounts import JAILED_FOR_GOOD
from edge_client.protocol.body import EVIDENCE_PER_BLOCK_MAX
from edge_client.protocol.errors import Reason
from edge_client.protocol.execution import candidacy
from edge_client.protocol.execution.candidacy import WISH_BLOCKS_MAX
from edge_client.protocol.params import UNBONDING_BLOCKS_MIN
from edge_client.protocol.seats import Candidate
from tests.builders import ChainMaker, make_signers, make_update, refused
from tests.candidacies import opt_in, opt_out, proposal_pair, seat_key, vote_pair, voting_chain


@pytest.fixture
def chain() -> ChainMaker:
    return voting_chain()


def age(chain: ChainMaker, blocks: int) -> None:
    for _ in range(blocks):
        chain.add()


# --- opt-in ------------------------------------------------------------------------------------------------


def test_opting_in_moves_the_bond_to_the_stake(chain: ChainMaker) -> None:
    before = chain.state.accounts[1]
    chain.add([opt_in(chain, 1, bond=250)])
    account = chain.state.accounts[1]
    assert (account.balance, account.stake) == (before.balance - 250, 250)
    assert chain.state.seats.candidates == (Candidate(1, seat_key(1).public_key, 250),)
    assert chain.state.seats.seated == chain.state.seats.next


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bond": 99}, Reason.OUT_OF_RANGE),
        ({"bond": 2**60}, Reason.OUT_OF_RANGE),
        ({"made_at": 3}, Reason.TIME),
        ({"consent": bytes(64)}, Reason.BAD_SIGNATURE),
        ({"key": seat_key(2).public_key}, Reason.BAD_SIGNATURE),
        ({"key": bytes(32)}, Reason.OUT_OF_RANGE),
    ],
    ids=str,
)
def test_an_opt_in_that_may_not_be_is_refused(
    chain: ChainMaker, changes: dict[str, Any], reason: Reason
) -> None:
    assert refused(chain, opt_in(chain, 1, **changes)) == reason


def test_only_the_holder_of_an_account_opts_it_in(chain: ChainMaker) -> None:
    assert refused(chain, replace(opt_in(chain, 1), signature=bytes(64))) == Reason.BAD_SIGNATURE
    assert refused(chain, replace(opt_in(chain, 1), account=2)) == Reason.BAD_SIGNATURE
    assert refused(chain, replace(opt_in(chain, 1), account=9)) == Reason.UNREGISTERED


def test_a_key_and_an_account_stand_once(chain: ChainMaker) -> None:
    chain.add([opt_in(chain, 1)])
    assert refused(chain, opt_in(chain, 1, seat_key(2))) == Reason.DUPLICATE
    for taken in (seat_key(1), chain.signers[0], chain.signer_of(0)):
        assert refused(chain, opt_in(chain, 2, taken)) == Reason.DUPLICATE
    both = opt_in(chain, 2, seat_key(5)), opt_in(chain, 3, seat_key(5))
    assert refused(chain, *both) == Reason.DUPLICATE
    twice = opt_in(chain, 2, seat_key(5)), opt_in(chain, 2, seat_key(6))
    assert refused(chain, *twice) == Reason.DUPLICATE


def test_without_elections_nobody_opts_in() -> None:
    chain = voting_chain(epoch_blocks=0, churn_max=0, bond=0)
    assert refused(chain, opt_in(chain, 1)) == Reason.NOT_ADMITTED


def test_the_table_of_candidates_is_bounded(chain: ChainMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidacy, "CANDIDATES_MAX", 1)
    assert refused(chain, opt_in(chain, 1), opt_in(chain, 2)) == Reason.INVALID_BLOCK
    chain.add([opt_in(chain, 1)])
    assert refused(chain, opt_in(chain, 2)) == Reason.INVALID_BLOCK


def test_a_wish_expires(chain: ChainMaker) -> None:
    early, late = opt_in(chain, 1), opt_in(chain, 2)
    age(chain, WISH_BLOCKS_MAX - 1)
    chain.add([early])
    assert refused(chain, late) == Reason.STALE


def test_no_wish_can_be_played_again(chain: ChainMaker) -> None:
    entered = opt_in(chain, 1)
    chain.add([entered])
    left = opt_out(chain, 1)
    chain.add([left])
    for _ in range(2 * UNBONDING_BLOCKS_MIN):
        for wish in (entered, left):
            assert refused(chain, wish) in (Reason.DUPLICATE, Reason.STALE, Reason.UNREGISTERED)
        chain.add()


# --- opt-out -----------------------------------------------------------------------------------------------


def test_a_bond_comes_free_after_its_time(chain: ChainMaker) -> None:
    before = chain.state.accounts[1]
    chain.add([opt_in(chain, 1)])
    chain.add([opt_out(chain, 1)])
    left_at = chain.height
    row = chain.state.seats.candidate_of(1)
    assert row is not None
    assert row.leaving == left_at
    age(chain, UNBONDING_BLOCKS_MIN - 1)
    assert chain.state.accounts[1].stake == 100
    chain.add()
    assert chain.height == left_at + UNBONDING_BLOCKS_MIN
    assert chain.state.accounts[1] == before
    assert chain.state.seats.candidates == ()


def test_an_opt_out_that_may_not_be_is_refused(chain: ChainMaker) -> None:
    assert refused(chain, opt_out(chain, 1)) == Reason.UNREGISTERED
    chain.add([opt_in(chain, 1)])
    assert refused(chain, replace(opt_out(chain, 1), signature=bytes(64))) == Reason.BAD_SIGNATURE
    assert refused(chain, opt_out(chain, 1, made_at=chain.height + 1)) == Reason.TIME
    chain.add([opt_out(chain, 1)])
    assert refused(chain, opt_out(chain, 1)) == Reason.DUPLICATE
    assert refused(chain, opt_in(chain, 1, seat_key(7))) == Reason.DUPLICATE


def test_who_leaves_and_still_sits_is_slashable_until_unbonding_after_the_last_seat() -> None:
    chain = voting_chain(epoch_blocks=400)
    chain.add([opt_in(chain, 1)])
    age(chain, 400 - chain.height)
    assert chain.state.seats.is_sealed
    chain.add([opt_out(chain, 1)])
    first = chain.state.seats.first_height
    age(chain, first + 400 - 1 - chain.height)
    assert chain.state.seats.is_sealed
    assert chain.state.accounts[1].stake == 100, "kept while it sat, long after the unbonding time"
    age(chain, UNBONDING_BLOCKS_MIN)
    assert chain.state.accounts[1].stake == 100
    chain.add()
    assert chain.state.accounts[1].stake == 0


# --- evidence ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [vote_pair, proposal_pair])
def test_a_convicted_candidate_loses_everything_and_is_jailed_for_good(chain: ChainMaker, make: Any) -> None:
    chain.add([opt_in(chain, 1, bond=300)])
    balance = chain.state.accounts[1].balance
    chain.add([make(chain, seat_key(1))])
    account = chain.state.accounts[1]
    assert (account.balance, account.stake, account.contribution) == (balance, 0, 0)
    assert account.jailed_until == JAILED_FOR_GOOD
    assert chain.state.seats.candidates == ()
    assert refused(chain, make_update(chain, 1).head) == Reason.JAILED
    assert refused(chain, opt_in(chain, 1, seat_key(8))) == Reason.JAILED
    assert refused(chain, make(chain, seat_key(1), slot=10)) == Reason.DUPLICATE


def test_a_convicted_validator_of_genesis_gets_its_bit_once(chain: ChainMaker) -> None:
    chain.add([vote_pair(chain, chain.signers[2])])
    assert chain.state.seats.convicted == 0b100
    assert refused(chain, proposal_pair(chain, chain.signers[2])) == Reason.DUPLICATE
    chain.add([vote_pair(chain, chain.signers[0])])
    assert chain.state.seats.convicted == 0b101


def test_one_pair_of_a_key_in_a_block(chain: ChainMaker) -> None:
    cheat = chain.signers[2]
    assert refused(chain, vote_pair(chain, cheat), proposal_pair(chain, cheat)) == Reason.DUPLICATE


def test_evidence_against_a_stranger_is_refused(chain: ChainMaker) -> None:
    assert refused(chain, vote_pair(chain, seat_key(1))) == Reason.DUPLICATE
    assert refused(chain, vote_pair(chain, chain.signer_of(1))) == Reason.DUPLICATE


def test_forged_evidence_is_refused(chain: ChainMaker) -> None:
    forged = replace(vote_pair(chain, chain.signers[1]), key=chain.signers[0].public_key)
    assert refused(chain, forged) == Reason.BAD_SIGNATURE


def test_leaving_does_not_save_a_bond(chain: ChainMaker) -> None:
    chain.add([opt_in(chain, 1)])
    chain.add([opt_out(chain, 1)])
    age(chain, UNBONDING_BLOCKS_MIN - 1)
    chain.add([vote_pair(chain, seat_key(1))])
    assert chain.state.accounts[1].stake == 0
    assert chain.state.accounts[1].jailed_until == JAILED_FOR_GOOD


def test_leaving_and_being_convicted_in_one_block_is_being_convicted(chain: ChainMaker) -> None:
    chain.add([opt_in(chain, 1)])
    chain.add([opt_out(chain, 1), vote_pair(chain, seat_key(1))])
    assert chain.state.accounts[1].jailed_until == JAILED_FOR_GOOD
    assert chain.state.seats.candidates == ()


def test_evidence_closes_no_round_and_may_stand_beside_one_that_does(chain: ChainMaker) -> None:
    """What the convicted contributes to the round that closes with its conviction is still in the model."""
    chain.add([opt_in(chain, 1)])
    heads = [make_update(chain, account).head for account in range(4)]
    chain.add([*heads, vote_pair(chain, seat_key(1))])
    account = chain.state.accounts[1]
    assert (account.stake, account.jailed_until) == (0, JAILED_FOR_GOOD)
    assert account.last_round == 2


def test_evidence_in_a_block_is_bounded(chain: ChainMaker) -> None:
    pairs = [vote_pair(chain, one) for one in make_signers(EVIDENCE_PER_BLOCK_MAX + 1)]
    assert refused(chain, *pairs) == Reason.INVALID_BLOCK
