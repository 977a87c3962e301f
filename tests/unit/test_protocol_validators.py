"""[CON-1], [CON-2], [ASK-2]: sizes, quorums and orders of a validator set."""

from __future__ import annotations

import pytest

from edge_client.protocol.errors import DecodeError
from edge_client.protocol.validators import VALIDATORS_MAX, ValidatorSet, faulty_max, quorum, signer_indices
from tests.builders import make_signers

KEYS = tuple(one.public_key for one in make_signers(17))


@pytest.mark.parametrize("count", range(1, VALIDATORS_MAX + 1))
def test_quorums_overlap_in_an_honest_validator_and_can_be_reached(count: int) -> None:
    q, f = quorum(count), faulty_max(count)
    assert 3 * f < count
    assert 3 * q > 2 * count
    assert 2 * q - count > f, "two quorums share more than f validators"
    assert q <= count - f, "the honest ones reach a quorum alone"


@pytest.mark.parametrize("keys", [(), KEYS, (KEYS[0], KEYS[0])], ids=["none", "17", "one key twice"])
def test_sets_that_cannot_vote_are_refused(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(DecodeError):
        ValidatorSet(keys)


@pytest.mark.parametrize("count", [1, 4, 7, 16])
def test_everybody_leads_once_in_n_slots(count: int) -> None:
    validators = ValidatorSet(KEYS[:count])
    leaders = [validators.leader(b"s" * 32, slot) for slot in range(1, 2 * count + 1)]
    assert sorted(leaders[:count]) == list(range(count))
    assert leaders[count:] == leaders[:count]


def test_the_order_of_leaders_depends_on_the_seed() -> None:
    validators = ValidatorSet(KEYS[:16])
    orders = {tuple(validators.leader(bytes([i]) * 32, slot) for slot in range(16)) for i in range(8)}
    assert len(orders) == 8


def test_responders_are_a_permutation_by_nonce() -> None:
    validators = ValidatorSet(KEYS[:7])
    orders = {tuple(validators.responders(nonce)) for nonce in range(20)}
    assert len(orders) > 15
    assert all(sorted(order) == list(range(7)) for order in orders)


def test_members_are_found_by_key_and_the_root_depends_on_their_order() -> None:
    validators = ValidatorSet(KEYS[:3])
    assert [validators.index_of(key) for key in KEYS[:4]] == [0, 1, 2, None]
    assert validators.root() != ValidatorSet((KEYS[1], KEYS[0], KEYS[2])).root()


def test_bits_are_indices() -> None:
    assert list(signer_indices(0)) == []
    assert list(signer_indices(0b1000000000000101)) == [0, 2, 15]
