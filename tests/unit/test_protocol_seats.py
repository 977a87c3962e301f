"""[SEA-1] to [SEA-5]: who may sign, and what a boundary makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_client.protocol.errors import DecodeError
from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.seats import GENESIS_SEAT, Candidate, Seat, Seats
from tests.builders import make_genesis, make_signers
from tests.protocol_examples import chain, sealed_seats

KEYS = [one.public_key for one in make_signers(3, "elected")]


def test_genesis_seats_its_validators() -> None:
    genesis = make_genesis()
    seats = genesis_state(genesis).seats
    assert (seats.epoch, seats.first_height, seats.is_sealed, seats.convicted) == (0, 1, False, 0)
    assert seats.validators == seats.next_validators == genesis.validators
    assert all(seat.account == GENESIS_SEAT and seat.is_of_genesis for seat in seats.seated)


def test_the_root_is_over_the_canonical_bytes() -> None:
    seats = sealed_seats(chain())
    assert Seats.decode(seats.encode()) == seats
    assert seats.root() == digest(Tag.SEATS, seats.encode())


def test_app_leaves_name_both_sets() -> None:
    state = replace(chain().state, seats=sealed_seats(chain()))
    leaves = state.app_leaves()
    assert leaves.validators_root == state.seats.validators.root()
    assert leaves.next_validators_root == state.seats.next_validators.root()
    assert leaves.validators_root != leaves.next_validators_root


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"first_height": 0}, "begins"),
        ({"is_sealed": False}, "sealed"),
        ({"next": sealed_seats(chain()).seated}, "sealed"),
        ({"next": sealed_seats(chain()).next[:3]}, "size"),
        ({"candidates": sealed_seats(chain()).candidates[::-1]}, "ascend"),
        ({"candidates": (Candidate(1, KEYS[0], 1), Candidate(2, KEYS[0], 1))}, "one candidate"),
        ({"next": (*sealed_seats(chain()).seated[:2], Seat(KEYS[0], 5), Seat(KEYS[1], 5))}, "two seats"),
        ({"next": (*sealed_seats(chain()).seated[:2], Seat(KEYS[0], 5), Seat(KEYS[0], 6))}, "different"),
    ],
    ids=str,
)
def test_what_no_chain_comes_to_is_refused(change: dict[str, Any], why: str) -> None:
    broken = replace(sealed_seats(chain()), **change)
    with pytest.raises(DecodeError, match=why):
        Seats.decode(broken.encode())


def test_only_a_sealed_state_is_rolled() -> None:
    state = chain().state
    assert state.rolled(9) is state
    sealed = replace(state, seats=sealed_seats(chain()))
    rolled = sealed.rolled(129).seats
    assert (rolled.epoch, rolled.first_height, rolled.is_sealed) == (5, 129, False)
    assert rolled.seated == rolled.next == sealed.seats.next
    assert rolled.rolled(130) is rolled


def test_unbonding_counts_from_the_loss_of_the_seat() -> None:
    seated = (*chain().state.seats.seated[:2], Seat(KEYS[0], 3), Seat(KEYS[1], 4))
    kept = (*seated[:3], chain().state.seats.seated[3])
    rows = (Candidate(3, KEYS[0], 9, leaving=70), Candidate(4, KEYS[1], 9, leaving=80))
    boundary = Seats(1, 65, seated, kept, True, (*rows, Candidate(5, KEYS[2], 9, leaving=60)))
    after = boundary.rolled(129)
    assert [row.leaving for row in after.candidates] == [70, 129, 60]


def test_rows_are_found_added_and_removed() -> None:
    seats = chain().state.seats
    one, other = Candidate(7, KEYS[0], 9), Candidate(2, KEYS[1], 9)
    both = seats.with_candidate(one).with_candidate(other)
    assert both.candidates == (other, one)
    assert both.candidate_of(7) == both.candidate_with(KEYS[0]) == one
    assert both.with_candidate(replace(one, leaving=5)).candidate_of(7) == replace(one, leaving=5)
    assert both.without_candidate(2).candidates == (one,)
    assert seats.candidate_of(7) is None
    assert seats.candidate_with(KEYS[0]) is None
    assert seats.holds_seat(seats.seated[0].key)
    assert not both.holds_seat(KEYS[0])
