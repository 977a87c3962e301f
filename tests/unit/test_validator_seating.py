"""Who has a seat on a head, whose turn it is to answer, and where an epoch begins."""

from __future__ import annotations

from itertools import combinations

import pytest

from broker.adapters.memory_store import MemoryStore
from broker.core.answers import within_epoch
from broker.core.identity import Identity
from broker.core.ledger import Ledger, Tip, genesis_tip
from broker.core.seating import Seating
from broker.core.verified import VerifyOnce
from edge_client.protocol.execution.checks import Rules
from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.keys import Signer, node_id, verify
from edge_client.protocol.messages import GetHeaders
from edge_client.protocol.seats import Seats
from tests.builders import make_genesis, make_signers
from tests.seat_rig import first_block, seats_of

SIGNERS = make_signers(6)
STAYS, LOST, WON, WAITS = SIGNERS[1], SIGNERS[0], SIGNERS[4], SIGNERS[5]
GENESIS = make_genesis(4)
RULES = Rules(GENESIS, GENESIS.chain_id(), VerifyOnce(verify))


def on_first_block(seats: Seats) -> tuple[Ledger, MemoryStore]:
    """A ledger whose head is a first block with these seats, and the disk it stands on."""
    final, store = first_block(GENESIS, SIGNERS, seats), MemoryStore({})
    store.store_final(final)
    head = final.header
    tip = Tip(final.header_hash, head.height, head.slot, head.time_s, final.peaks, final.state)
    return Ledger(RULES, store, tip), store


def seating(ledger: Ledger, store: MemoryStore, signer: Signer) -> Seating:
    return Seating(Identity.of(RULES, signer), store, ledger)


BOUNDARY = seats_of(GENESIS, (WON, WAITS), elected={0: 0})


def test_before_the_first_block_genesis_sits_and_is_the_root() -> None:
    ledger = Ledger(RULES, MemoryStore({}), genesis_tip(RULES.chain_id, genesis_state(GENESIS)))
    seated = seating(ledger, MemoryStore({}), STAYS).now
    assert (seated.epoch, seated.own_index, seated.validators) == (0, 1, GENESIS.validators)
    assert (seated.root.hash, seated.root.height, seated.root.slot) == (RULES.chain_id, 0, 0)


@pytest.mark.parametrize(("signer", "index"), [(STAYS, 1), (LOST, None), (WON, 0), (WAITS, None)])
def test_on_a_boundary_the_next_set_sits_and_the_boundary_is_the_root(
    signer: Signer, index: int | None
) -> None:
    ledger, store = on_first_block(BOUNDARY)
    seated = seating(ledger, store, signer).now
    assert (seated.epoch, seated.own_index) == (1, index)
    assert seated.root.hash == ledger.head.hash
    later = Tip(b"h" * 32, 2, 7, 9, ledger.head.peaks, ledger.head.state.rolled(2))
    assert seating(Ledger(RULES, store, later), store, signer).now == seated


def test_the_set_changes_with_the_head_of_the_ledger() -> None:
    ledger, store = on_first_block(BOUNDARY)
    boundary = ledger.head
    ledger.head = genesis_tip(RULES.chain_id, genesis_state(GENESIS))
    held = seating(ledger, store, WON)
    assert (held.now.epoch, held.now.own_index) == (0, None)
    assert not held.is_peer(node_id(WAITS.public_key))
    ledger.head = boundary
    assert (held.now.epoch, held.now.own_index) == (1, 0)
    assert held.is_peer(node_id(WAITS.public_key))


def test_members_candidates_and_genesis_are_peers_and_nobody_else() -> None:
    held = seating(*on_first_block(BOUNDARY), STAYS)
    assert all(held.is_peer(node_id(one.public_key)) for one in SIGNERS)
    assert not held.is_peer(node_id(make_signers(1, "stranger")[0].public_key))


def test_around_a_change_of_set_one_of_the_first_two_attempts_is_answered() -> None:
    """Whoever of the two sets has come to know the next one by then."""
    ledger, store = on_first_block(BOUNDARY)
    boundary, genesis = ledger.head, genesis_tip(RULES.chain_id, genesis_state(GENESIS))
    for nonce in range(40):
        for count in range(len(SIGNERS) + 1):
            for ahead in combinations(SIGNERS, count):
                views = [
                    seating(Ledger(RULES, store, boundary if one in ahead else genesis), store, one).now
                    for one in SIGNERS[:5]
                ]
                turns = [view.has_turn(nonce, attempt, "device") for attempt in (0, 1) for view in views]
                assert any(turns)


def test_headers_for_a_validator_end_with_the_epoch() -> None:
    _, store = on_first_block(BOUNDARY)
    assert within_epoch(store, GetHeaders(1, 9)) == GetHeaders(1, 1)
    assert within_epoch(store, GetHeaders(2, 9)) == GetHeaders(2, 9)
