"""[OBJ-6]: a whole state as bytes, all of it covered by the root of a header."""

from __future__ import annotations

import pytest

from edge_client.protocol.accounts import ACCOUNTS_MAX, Account
from edge_client.protocol.chunks import OBJECT_BYTES_MAX
from edge_client.protocol.encoding import uint
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.params import RoundParams
from edge_client.protocol.seats import CANDIDATES_MAX, Candidate, Seat
from edge_client.protocol.state import Base, ChainState, Learning
from edge_client.protocol.state_object import BASES_MAX, SEATS_BYTES_MAX, decode_state, encode_state
from tests.builders import make_genesis
from tests.protocol_examples import chain

BASES_AT = 1 + 2 * RoundParams.LAYOUT.size_bytes + Learning.LAYOUT.size_bytes


@pytest.mark.parametrize("height", range(6))
def test_a_state_reads_back_whole(height: int) -> None:
    state = chain().states[height]
    again = decode_state(encode_state(state))
    assert (list(again.accounts), again.params) == (list(state.accounts), state.params)
    assert (again.learning, again.bases, again.seats) == (state.learning, state.bases, state.seats)
    assert again.state_leaves().root() == state.state_leaves().root()
    assert encode_state(again) == encode_state(state)


def test_a_state_read_back_goes_on_as_the_first_did() -> None:
    """Numbers and vouchers of accounts are found again, not only their roots."""
    accounts = decode_state(encode_state(chain().state)).accounts
    assert [accounts.index_of(one.public_key) for one in chain().state.accounts] == [0, 1, 2]


def test_the_state_before_the_first_block_has_no_accounts() -> None:
    state = genesis_state(make_genesis())
    assert decode_state(encode_state(state)).bases == state.bases


def test_each_byte_changed_is_refused_or_another_root() -> None:
    """So a fetched state that has the root of a header is that header's state."""
    state = chain().state
    data, root = encode_state(state), state.state_leaves().root()
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            assert decode_state(changed).state_leaves().root() != root, at
        except DecodeError:
            continue


def with_bases(state: ChainState, bases: tuple[Base, ...]) -> bytes:
    data, own = encode_state(state), state.bases
    end = BASES_AT + 1 + len(own) * Base.LAYOUT.size_bytes
    return data[:BASES_AT] + uint(len(bases), 1) + b"".join(one.encode() for one in bases) + data[end:]


def test_bases_that_learning_does_not_name_are_refused() -> None:
    state = chain().state
    assert decode_state(with_bases(state, state.bases)).bases == state.bases
    for wrong in ((), state.bases[1:], state.bases[::-1], state.bases * 4):
        with pytest.raises(DecodeError):
            decode_state(with_bases(state, wrong))


@pytest.mark.parametrize("wrong", [b"", b"\x02", b"\x01", b"\x01" + bytes(500)])
def test_what_is_no_state_is_refused(wrong: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_state(wrong)


def test_trailing_bytes_and_too_many_accounts_are_refused() -> None:
    data = encode_state(genesis_state(make_genesis()))
    seats = len(genesis_state(make_genesis()).seats.encode()) + 4
    assert data[-seats - 4 : -seats] == uint(0, 4)
    too_many = data[: -seats - 4] + uint(ACCOUNTS_MAX + 1, 4) + data[-seats:]
    for wrong in (data + b"\x00", too_many, data[:-1]):
        with pytest.raises(DecodeError):
            decode_state(wrong)


def test_the_largest_state_is_one_object() -> None:
    seats_bytes = CANDIDATES_MAX * Candidate.LAYOUT.size_bytes + 32 * Seat.LAYOUT.size_bytes + 15
    rest_bytes = len(encode_state(genesis_state(make_genesis()))) + BASES_MAX * Base.LAYOUT.size_bytes
    assert seats_bytes <= SEATS_BYTES_MAX
    total_bytes = ACCOUNTS_MAX * Account.LAYOUT.size_bytes + rest_bytes + SEATS_BYTES_MAX
    assert total_bytes <= OBJECT_BYTES_MAX
