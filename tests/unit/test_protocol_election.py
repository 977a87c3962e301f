"""[ELE-3] to [ELE-5]: who gets which seat, and when an epoch ends."""

from __future__ import annotations

from dataclasses import replace

from edge_client.protocol.execution.election import elect, ranked
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.seats import Candidate, Seat
from edge_client.protocol.state import ChainState
from edge_client.protocol.validators import faulty_max
from tests.builders import ChainMaker, make_genesis
from tests.candidacies import opt_in, opt_out, seat_key, vote_pair, voting_chain

LOT = bytes(32)


def run_to(chain: ChainMaker, height: int) -> None:
    while chain.height < height:
        chain.add()


def with_contributions(state: ChainState, *contributions: int) -> ChainState:
    """Accounts 0, 1, … as candidates with these contributions, all of the open round."""
    now = state.learning.round
    accounts = {
        index: replace(state.accounts[index], contribution=one, last_round=now)
        for index, one in enumerate(contributions)
    }
    rows = tuple(Candidate(index, seat_key(index).public_key, 100) for index in accounts)
    seats = replace(state.seats, candidates=rows)
    return replace(state, accounts=state.accounts.changed(accounts, []), seats=seats)


def accounts_of(seats: tuple[Seat, ...]) -> list[int | None]:
    return [None if seat.is_of_genesis else seat.account for seat in seats]


def outcome(chain: ChainMaker, state: ChainState, churn_max: int = 1) -> list[int | None]:
    params = replace(state.params.in_force, churn_max=churn_max)
    return accounts_of(elect(chain.genesis, state, params, LOT))


def seated(state: ChainState, *accounts: int | None) -> ChainState:
    """With these accounts in the seats, None for the validator of genesis of that index."""
    genesis = make_genesis().validators.keys
    seats = tuple(
        Seat(genesis[index]) if account is None else Seat(seat_key(account).public_key, account)
        for index, account in enumerate(accounts)
    )
    return replace(state, seats=replace(state.seats, seated=seats, next=seats))


# --- who ---------------------------------------------------------------------------------------------------


def test_more_contribution_ranks_higher_and_the_lot_decides_between_equals() -> None:
    chain = voting_chain()
    state, params = with_contributions(chain.state, 5, 9, 5, 0), chain.state.params.in_force
    for lot in (bytes([i]) * 32 for i in range(8)):
        tied = sorted((0, 2), key=lambda i: digest(Tag.ELECTION, lot, seat_key(i).public_key))
        assert [row.account for row in ranked(state, params, lot)] == [1, *tied]


def test_contribution_counts_as_decayed_to_the_open_round() -> None:
    chain = voting_chain()
    state = with_contributions(chain.state, 1000, 900)
    recent = replace(state.accounts[1], last_round=state.learning.round + 10)
    learning = replace(state.learning, round=recent.last_round)
    state = replace(state, accounts=state.accounts.changed({1: recent}, []), learning=learning)
    assert [row.account for row in ranked(state, state.params.in_force, LOT)] == [1, 0]


def test_who_leaves_is_jailed_has_too_small_a_bond_or_gave_nothing_does_not_qualify() -> None:
    chain = voting_chain()
    state = with_contributions(chain.state, 9, 8, 7, 6)
    params = state.params.in_force
    rows = list(state.seats.candidates)
    leaving = replace(state.seats, candidates=(replace(rows[0], leaving=3), *rows[1:]))
    poor = replace(state.seats, candidates=(replace(rows[0], bond=99), *rows[1:]))
    jailed = replace(state.accounts[0], jailed_until=state.learning.round + 1)
    idle = replace(state.accounts[0], contribution=0)
    for broken in (
        replace(state, seats=leaving),
        replace(state, seats=poor),
        replace(state, accounts=state.accounts.changed({0: jailed}, [])),
        replace(state, accounts=state.accounts.changed({0: idle}, [])),
    ):
        assert [row.account for row in ranked(broken, params, LOT)] == [1, 2, 3]


def test_outsiders_take_seats_of_genesis_convicted_ones_first() -> None:
    chain = voting_chain()
    state = with_contributions(chain.state, 5, 9)
    assert outcome(chain, state) == [1, None, None, None]
    convicted = replace(state, seats=replace(state.seats, convicted=0b0100))
    assert outcome(chain, convicted) == [None, None, 1, None]
    assert outcome(chain, convicted, churn_max=2) == [0, None, 1, None]


def test_without_genesis_seats_a_better_outsider_takes_the_last_ranked_seat() -> None:
    chain = voting_chain(devices=6)
    state = seated(with_contributions(chain.state, 9, 2, 7, 6, 5), 0, 1, 2, 3)
    assert outcome(chain, state) == [0, 4, 2, 3]
    assert outcome(chain, state, churn_max=4) == [0, 4, 2, 3]
    worse = seated(with_contributions(chain.state, 9, 8, 7, 6, 5), 0, 1, 2, 3)
    assert outcome(chain, worse, churn_max=4) == [0, 1, 2, 3]


def test_a_seat_whose_holder_does_not_qualify_goes_to_the_best_outsider_first() -> None:
    chain = voting_chain(devices=6)
    state = seated(with_contributions(chain.state, 0, 2, 7), 0, None, 2, None)
    assert outcome(chain, state) == [1, None, 2, None]


def test_a_seat_nobody_qualifies_for_goes_back_to_its_genesis_validator() -> None:
    chain = voting_chain()
    state = seated(with_contributions(chain.state, 0, 0), 0, None, 1, None)
    assert outcome(chain, state) == [None, None, 1, None]
    both = elect(chain.genesis, state, replace(state.params.in_force, churn_max=2), LOT)
    assert accounts_of(both) == [None] * 4
    assert tuple(seat.key for seat in both) == chain.genesis.validators.keys


def test_a_convicted_substitute_is_the_last_choice() -> None:
    chain = voting_chain()
    state = seated(with_contributions(chain.state, 0, 0), 0, None, 1, None)
    state = replace(state, seats=replace(state.seats, convicted=0b0001))
    keys = [seat.key for seat in elect(chain.genesis, state, state.params.in_force, LOT)]
    assert keys[0] == chain.genesis.validators.keys[2]
    last = seated(with_contributions(chain.state, 0), 0, None, None, None)
    last = replace(last, seats=replace(last.seats, convicted=0b0001))
    keys = [seat.key for seat in elect(chain.genesis, last, last.params.in_force, LOT)]
    assert keys == list(chain.genesis.validators.keys)


def test_convicted_accounts_lose_their_seats_before_others_that_do_not_qualify() -> None:
    chain = voting_chain()
    state = seated(with_contributions(chain.state, 0, 5), 0, 1, None, None)
    jailed = state.accounts[1].convicted(0)
    state = replace(state, accounts=state.accounts.changed({1: jailed}, []))
    assert outcome(chain, state) == [0, None, None, None]


# --- when --------------------------------------------------------------------------------------------------


def test_an_election_without_a_change_moves_the_next_one_on() -> None:
    chain = voting_chain(epoch_blocks=8)
    run_to(chain, 8)
    seats = chain.state.seats
    assert (seats.epoch, seats.first_height, seats.is_sealed) == (0, 9, False)
    run_to(chain, 15)
    assert chain.state.seats == seats
    run_to(chain, 16)
    assert chain.state.seats.first_height == 17
    assert {header.epoch for header in chain.headers} == {0}


def test_a_boundary_seals_and_the_next_block_begins_the_epoch() -> None:
    chain = voting_chain(epoch_blocks=8)
    chain.add([opt_in(chain, 1)])
    run_to(chain, 8)
    boundary = chain.state.seats
    assert boundary.is_sealed
    assert (boundary.epoch, accounts_of(boundary.seated)) == (0, [None] * 4)
    assert accounts_of(boundary.next) == [1, None, None, None]
    leaves = chain.light_block().app
    assert leaves.validators_root == chain.genesis.validators.root()
    assert leaves.next_validators_root == boundary.next_validators.root()
    chain.add()
    seats = chain.state.seats
    assert (seats.epoch, seats.first_height, seats.is_sealed) == (1, 9, False)
    assert seats.validators == boundary.next_validators
    assert [header.epoch for header in chain.headers[-2:]] == [0, 1]


def test_the_election_knows_what_its_own_block_did() -> None:
    """A conviction in the block of the election costs the seat in that election."""
    chain = voting_chain(epoch_blocks=8)
    chain.add([opt_in(chain, 1), opt_in(chain, 2)])
    run_to(chain, 8)
    holder = chain.state.seats.next[0].account
    run_to(chain, 15)
    chain.add([vote_pair(chain, seat_key(holder))])
    assert chain.state.seats.is_sealed
    assert accounts_of(chain.state.seats.next) == [3 - holder, None, None, None]


def test_who_opts_out_gives_the_seat_back_at_the_next_election() -> None:
    chain = voting_chain(epoch_blocks=8)
    chain.add([opt_in(chain, 1)])
    run_to(chain, 8)
    chain.add([opt_out(chain, 1)])
    run_to(chain, 16)
    assert chain.state.seats.next_validators == chain.genesis.validators
    chain.add()
    assert chain.state.seats.epoch == 2
    row = chain.state.seats.candidate_of(1)
    assert row is not None
    assert row.leaving == 17


def test_rolling_does_not_depend_on_what_the_block_holds() -> None:
    chain = voting_chain(epoch_blocks=8)
    chain.add([opt_in(chain, 1)])
    run_to(chain, 8)
    chain.close_round()
    assert (chain.state.seats.epoch, chain.state.seats.first_height) == (1, 9)


def test_every_block_may_hold_an_election() -> None:
    chain = voting_chain(epoch_blocks=1)
    chain.add([opt_in(chain, 1)])
    assert chain.state.seats.is_sealed
    chain.add([opt_in(chain, 2)])
    seats = chain.state.seats
    assert (seats.epoch, seats.first_height, seats.is_sealed) == (1, chain.height, True)
    assert sorted(one for one in accounts_of(seats.next) if one is not None) == [1, 2]


def test_newcomers_that_never_show_up_cannot_stop_a_set() -> None:
    for count in range(4, 17):
        genesis = make_genesis(count)
        assert genesis.validators.count - faulty_max(count) >= genesis.validators.quorum
