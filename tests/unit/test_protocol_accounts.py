"""[ACC-1] to [ACC-4]: accounts, their tree and their proofs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.protocol.accounts import CONTRIBUTION_GAP_MAX_ROUNDS, Account, Accounts
from tests.builders import make_signers

KEYS = tuple(one.public_key for one in make_signers(6, "device"))


def table(count: int = 5) -> Accounts:
    return Accounts.of([Account(key, voucher=i) for i, key in enumerate(KEYS[:count])])


def test_accounts_are_found_by_number_key_and_voucher() -> None:
    accounts = table()
    assert len(accounts) == 5
    assert accounts.index_of(KEYS[3]) == 3
    assert accounts.index_of(KEYS[5]) is None
    assert accounts.get(4) == accounts[4]
    assert accounts.get(5) is None
    assert [accounts.has_voucher(number) for number in (0, 1, 4, 5)] == [False, True, True, False]


def test_changing_a_table_leaves_the_old_one_alone() -> None:
    old = table()
    root = old.root()
    new = old.changed({1: replace(old[1], balance=7)}, [Account(KEYS[5], voucher=9)])
    assert new.root() == Accounts.of(list(new)).root()
    assert (new[1].balance, new.index_of(KEYS[5]), new.has_voucher(9)) == (7, 5, True)
    assert (old[1].balance, old.index_of(KEYS[5]), old.has_voucher(9)) == (0, None, False)
    assert old.root() == root != new.root()


def test_two_candidates_on_one_parent_do_not_meet() -> None:
    parent = table(2)
    left = parent.changed({}, [Account(KEYS[2])])
    right = parent.changed({}, [Account(KEYS[3])])
    assert (left.index_of(KEYS[2]), left.index_of(KEYS[3])) == (2, None)
    assert (right.index_of(KEYS[2]), right.index_of(KEYS[3])) == (None, 2)


@pytest.mark.parametrize("index", range(5))
def test_every_account_is_proven(index: int) -> None:
    proof = table().prove(index)
    assert proof.root() == table().root()
    assert replace(proof, account=replace(proof.account, balance=1)).root() != table().root()
    assert replace(proof, index=5).root() is None


@pytest.mark.parametrize(
    ("last_round", "round_number", "expected"),
    [(5, 5, 6400 + 10), (4, 5, 6300 + 10), (3, 5, 6400 * 63 * 63 // 4096 + 10), (9, 5, 6400 + 10)],
    ids=["same round", "next round", "two rounds", "an older round"],
)
def test_contribution_decays_once_a_round(last_round: int, round_number: int, expected: int) -> None:
    account = Account(KEYS[0], contribution=6400, last_round=last_round)
    assert account.credited(round_number, 10, 0).contribution == expected


def test_decay_of_a_long_sleep_is_bounded() -> None:
    account = Account(KEYS[0], contribution=1 << 60)
    asleep = account.credited(CONTRIBUTION_GAP_MAX_ROUNDS, 0, 0).contribution
    assert asleep == (1 << 60) * 63**1024 // 64**1024
    assert account.credited(2**32 - 1, 0, 0).contribution == asleep


def test_contribution_stays_in_its_field() -> None:
    """The most that every round can add, for ever: 2^24 a round, a 64th lost a round."""
    account = Account(KEYS[0])
    for round_number in range(1, 3000):
        account = account.credited(round_number, 1 << 24, 0)
    assert account.contribution <= 64 << 24 < 2**64
    assert account.credited(3000, 1 << 24, 0).contribution == account.contribution
