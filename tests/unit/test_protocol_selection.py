"""[SEL-1] to [SEL-4]: who is asked to train, as everybody can compute it."""

from __future__ import annotations

import pytest

from edge_client.protocol.accounts import ACTIVE_ROUNDS, Account, Accounts
from edge_client.protocol.execution.selection import THETA_ALL, is_selected, selection_value, threshold
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.params import Selection
from tests.builders import make_params

SEED = b"s" * 32
ROUND = 100
KEYS = [digest(Tag.DEVICE, i.to_bytes(4, "big")) for i in range(1000)]


def table(count: int, **fields: int) -> Accounts:
    return Accounts.of([Account(key, last_round=ROUND - 1, **fields) for key in KEYS[:count]])


def chosen(accounts: Accounts, theta: int) -> int:
    return sum(is_selected(SEED, account.public_key, theta) for account in accounts)


def test_a_lot_is_the_first_eight_bytes_of_the_selection_hash() -> None:
    assert selection_value(SEED, KEYS[0]) == int.from_bytes(digest(Tag.SELECT, SEED, KEYS[0])[:8], "big")


def test_selection_includes_its_threshold() -> None:
    lot = selection_value(SEED, KEYS[0])
    assert is_selected(SEED, KEYS[0], lot)
    assert not is_selected(SEED, KEYS[0], lot - 1)


def test_all_selects_everybody() -> None:
    accounts = table(50)
    assert chosen(accounts, threshold(make_params(), accounts, ROUND, SEED)) == 50


@pytest.mark.parametrize(
    ("count", "wanted", "expected"), [(1000, 10, 10), (11, 10, 10), (10, 10, 10), (3, 10, 3)]
)
def test_exact_selects_exactly_m_of_the_active(count: int, wanted: int, expected: int) -> None:
    accounts = table(count)
    params = make_params(selection=Selection.EXACT, selected=wanted)
    assert chosen(accounts, threshold(params, accounts, ROUND, SEED)) == expected


def test_exact_with_enough_places_lets_late_comers_in() -> None:
    params = make_params(selection=Selection.EXACT, selected=10)
    assert threshold(params, table(10), ROUND, SEED) == THETA_ALL


def test_sortition_selects_about_a_third_more_than_k() -> None:
    accounts = table(1000)
    params = make_params(selection=Selection.SORTITION, k=100, k_max=200, selected=0)
    theta = threshold(params, accounts, ROUND, SEED)
    assert theta == 2**64 * 130 // 1000
    counts = [
        sum(is_selected(bytes([i]) * 32, account.public_key, theta) for account in accounts)
        for i in range(20)
    ]
    assert 120 < sum(counts) / len(counts) < 140


@pytest.mark.parametrize("count", [0, 1, 2])
def test_sortition_of_a_small_fleet_selects_everybody(count: int) -> None:
    params = make_params(selection=Selection.SORTITION)
    assert threshold(params, table(count), ROUND, SEED) == THETA_ALL


@pytest.mark.parametrize(
    ("account", "active"),
    [
        (Account(KEYS[0], last_round=ROUND - ACTIVE_ROUNDS), True),
        (Account(KEYS[0], last_round=ROUND - ACTIVE_ROUNDS - 1), False),
        (Account(KEYS[0], last_round=ROUND - 1, jailed_until=ROUND), True),
        (Account(KEYS[0], last_round=ROUND - 1, jailed_until=ROUND + 1), False),
    ],
    ids=["seen 50 rounds ago", "seen 51 rounds ago", "out of jail", "in jail"],
)
def test_only_the_active_count(account: Account, active: bool) -> None:
    assert account.is_active(ROUND) is active
    others = [Account(key, last_round=ROUND - 1) for key in KEYS[1:6]]
    params = make_params(selection=Selection.EXACT, selected=5)
    theta = threshold(params, Accounts.of([account, *others]), ROUND, SEED)
    assert (theta != THETA_ALL) is active
