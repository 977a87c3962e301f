"""Elections and bonds whatever happens: [ELE-3] to [ELE-5] and that no unit is lost or made."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_client.protocol.accounts import Account, Accounts
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.execution.election import elect, ranked
from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.params import RoundParams
from edge_client.protocol.records import Record
from edge_client.protocol.seats import Candidate, Seats
from edge_client.protocol.state import ChainState
from edge_client.protocol.validators import faulty_max
from tests.builders import ChainMaker, make_genesis, make_params, make_signers
from tests.candidacies import ELECTIONS, opt_in, opt_out, proposal_pair, seat_key, vote_pair, voting_chain

ACCOUNTS = 12
KEYS = [one.public_key for one in make_signers(ACCOUNTS, "elected")]
DEVICES = [one.public_key for one in make_signers(ACCOUNTS, "device")]
LOT = st.binary(min_size=32, max_size=32)


@st.composite
def electorates(draw: st.DrawFn) -> tuple[Genesis, ChainState, RoundParams]:
    """Any candidates, in the open round 20, on the set of genesis or one that elections came to."""
    count = draw(st.integers(4, 10))
    genesis = make_genesis(count)
    churn_max = draw(st.integers(1, faulty_max(count)))
    params = make_params(**{**ELECTIONS, "churn_max": churn_max})
    state = genesis_state(genesis)
    accounts = [
        Account(
            key,
            contribution=draw(st.sampled_from((0, 1, 5, 5, 5, 2**24))),
            last_round=draw(st.sampled_from((0, 10, 19))),
            jailed_until=draw(st.sampled_from((0, 0, 0, 2**32 - 1))),
        )
        for key in DEVICES
    ]
    learning = replace(state.learning, round=20)
    state = replace(state, accounts=Accounts.of(accounts), learning=learning)
    for _ in range(draw(st.integers(0, 3))):
        state = with_electorate(state, draw)
        elected = elect(genesis, state, params, draw(LOT))
        state = replace(state, seats=replace(state.seats, seated=elected, next=elected))
    return genesis, with_electorate(state, draw), params


def with_electorate(state: ChainState, draw: st.DrawFn) -> ChainState:
    rows = tuple(
        Candidate(
            index, KEYS[index], draw(st.sampled_from((99, 100, 200))), draw(st.sampled_from((0, 0, 0, 3)))
        )
        for index in sorted(draw(st.sets(st.integers(0, ACCOUNTS - 1))))
    )
    convicted = draw(st.integers(0, 2 ** len(state.seats.seated) - 1))
    return replace(state, seats=replace(state.seats, candidates=rows, convicted=convicted))


@settings(max_examples=75)
@given(electorate=electorates(), lot=LOT)
def test_an_election_keeps_its_promises(
    electorate: tuple[Genesis, ChainState, RoundParams], lot: bytes
) -> None:
    genesis, state, params = electorate
    before, after = state.seats.seated, elect(genesis, state, params, lot)
    moved = [index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    assert len(moved) <= params.churn_max
    keys, accounts = [seat.key for seat in after], [seat.account for seat in after if not seat.is_of_genesis]
    assert len(set(keys)) == len(keys) == genesis.validators.count
    assert len(set(accounts)) == len(accounts)
    places = {row.key: place for place, row in enumerate(ranked(state, params, lot))}
    for index in moved:
        assert after[index].key in places or after[index].key in genesis.validators.keys
    kept_unfit = [seat for seat in after if not seat.is_of_genesis and seat.key not in places]
    if kept_unfit:
        lost = [index for index in moved if not before[index].is_of_genesis]
        assert len(lost) == params.churn_max, "who does not qualify keeps a seat only above the churn"
    if len(moved) < params.churn_max:
        outside = [place for key, place in places.items() if key not in keys]
        inside = [places[seat.key] for seat in after if not seat.is_of_genesis]
        assert not outside or (len(inside) == len(after) and min(outside) > max(inside))


@settings(max_examples=50)
@given(electorate=electorates(), lot=LOT, seed=st.randoms(use_true_random=False))
def test_an_election_depends_on_nothing_but_state_and_lot(
    electorate: tuple[Genesis, ChainState, RoundParams], lot: bytes, seed: object
) -> None:
    """Not on the order in which candidates came, nor on the object the state happens to be."""
    genesis, state, params = electorate
    rows = list(state.seats.candidates)
    seed.shuffle(rows)  # type: ignore[attr-defined]
    shuffled = replace(state, seats=replace(state.seats, candidates=tuple(rows)))
    assert elect(genesis, shuffled, params, lot) == elect(genesis, state, params, lot)


# --- conservation ------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.sampled_from(("in", "out", "votes", "proposals", "round", "empty")), st.integers(0, 3)),
    max_size=24,
)


@settings(max_examples=40)
@given(steps=STEPS, epoch_blocks=st.integers(1, 6))
def test_no_unit_is_lost_or_made(steps: list[tuple[str, int]], epoch_blocks: int) -> None:
    """What the accounts hold grows by what is minted and falls by the bonds that are burnt, by nothing else;
    every stake is the bond of its row."""
    chain = voting_chain(epoch_blocks=epoch_blocks, unbonding_blocks=128)
    for kind, number in steps:
        before, burnt = held(chain), 0
        try:
            if kind == "round":
                chain.close_round([number])
            else:
                record = record_of(chain, kind, number)
                row = chain.state.seats.candidate_with(seat_key(number).public_key)
                chain.add([record] if record else [])
                burnt = row.bond if row and kind in ("votes", "proposals") else 0
        except ProtocolError:
            continue
        minted = sum(credit.reward for credit in chain.outcomes[-1].credits)
        assert held(chain) == before + minted - burnt
        state = chain.state
        bonds = {row.account: row.bond for row in state.seats.candidates}
        assert [one.stake for one in state.accounts] == [bonds.get(i, 0) for i in range(len(state.accounts))]
        assert Seats.decode(state.seats.encode()) == state.seats


def held(chain: ChainMaker) -> int:
    return sum(account.balance + account.stake for account in chain.state.accounts)


def record_of(chain: ChainMaker, kind: str, number: int) -> Record | None:
    match kind:
        case "in":
            return opt_in(chain, number)
        case "out":
            return opt_out(chain, number)
        case "votes":
            return vote_pair(chain, seat_key(number))
        case "proposals":
            return proposal_pair(chain, seat_key(number))
    return None
