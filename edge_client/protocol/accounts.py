"""The account table: a dense Merkle tree in which account i is leaf i, append-only.

Tables are values: changing one gives another and leaves the old as it was, because several candidate blocks
may stand on the same parent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from edge_client.protocol import merkle
from edge_client.protocol.encoding import Fixed, Layout, Reader, uint
from edge_client.protocol.hashing import HASH_BYTES, Tag, digest

ACCOUNTS_MAX = 900_000
"""So many, and the rest of the state, fit one object [OBJ-1] [OBJ-6]."""
ACTIVE_ROUNDS = 50
CONTRIBUTION_NUM, CONTRIBUTION_DEN = 63, 64
CONTRIBUTION_GAP_MAX_ROUNDS = 1024
JAILED_FOR_GOOD = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Account(Fixed):
    """One device: key, money-like numbers, and when it was last used.

    `last_round` is the round of the last update that counted (or the round before registration);
    `contribution` decays by 63/64 a round and is brought up to date when it changes; `voucher` is the number
    of the admission voucher it came in with, 0 for none.
    """

    LAYOUT: ClassVar[Layout] = Layout(
        "Account",
        ("public_key", "b32"),
        ("balance", "u64"),
        ("stake", "u64"),
        ("reputation", "u32"),
        ("contribution", "u64"),
        ("last_round", "u32"),
        ("jailed_until", "u32"),
        ("voucher", "u32"),
    )
    public_key: bytes
    balance: int = 0
    stake: int = 0
    reputation: int = 0
    contribution: int = 0
    last_round: int = 0
    jailed_until: int = 0
    voucher: int = 0

    def is_jailed(self, round_number: int) -> bool:
        """Whether its updates are refused in this round."""
        return self.jailed_until > round_number

    def is_active(self, round_number: int) -> bool:
        """Whether selection counts with it: not jailed and seen in the last 50 rounds [ACC-2]."""
        return not self.is_jailed(round_number) and round_number - self.last_round <= ACTIVE_ROUNDS

    def contribution_at(self, round_number: int) -> int:
        """`contribution` decayed to this round."""
        gap = min(max(round_number - self.last_round, 0), CONTRIBUTION_GAP_MAX_ROUNDS)
        decayed: int = self.contribution * CONTRIBUTION_NUM**gap // CONTRIBUTION_DEN**gap
        return decayed

    def bonded(self, amount: int) -> Account:
        """With this much moved from balance to stake; back with a negative amount."""
        return replace(self, balance=self.balance - amount, stake=self.stake + amount)

    def convicted(self, bond: int) -> Account:
        """After its validator key was convicted: the bond is burnt, what it contributed counts no more, and
        its updates are refused for good [EVI-4]."""
        return replace(self, stake=self.stake - bond, contribution=0, jailed_until=JAILED_FOR_GOOD)

    def credited(self, round_number: int, weight: int, reward: int) -> Account:
        """After an update made in `round_number` counted with `weight` and earned `reward` [ACC-3]."""
        return replace(
            self,
            balance=self.balance + reward,
            contribution=self.contribution_at(round_number) + weight,
            last_round=round_number,
        )

    def leaf(self) -> bytes:
        """Leaf hash in the account tree."""
        return digest(Tag.ACCOUNT, self.encode())


class Accounts:
    """An immutable table of accounts with its Merkle levels and two indices."""

    def __init__(
        self, accounts: list[Account], rows: list[list[bytes]], index: dict[bytes, int], vouchers: set[int]
    ) -> None:
        self._accounts = accounts
        self._rows = rows
        self._index = index
        self._vouchers = vouchers

    @classmethod
    def of(cls, accounts: list[Account]) -> Accounts:
        """Build the table from scratch."""
        index = {account.public_key: i for i, account in enumerate(accounts)}
        vouchers = {account.voucher for account in accounts if account.voucher}
        rows = merkle.levels([account.leaf() for account in accounts])
        return cls(list(accounts), rows, index, vouchers)

    def __len__(self) -> int:
        return len(self._accounts)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._accounts)

    def __getitem__(self, index: int) -> Account:
        return self._accounts[index]

    def get(self, index: int) -> Account | None:
        """The account, or None above the end."""
        return self._accounts[index] if index < len(self._accounts) else None

    def index_of(self, public_key: bytes) -> int | None:
        """The account's number, or None."""
        return self._index.get(public_key)

    def has_voucher(self, voucher: int) -> bool:
        """Whether this admission voucher was used."""
        return voucher in self._vouchers

    def changed(self, changes: Mapping[int, Account], added: list[Account]) -> Accounts:
        """Another table with some accounts replaced and some appended."""
        accounts = list(self._accounts)
        for i, account in changes.items():
            accounts[i] = account
        accounts += added
        touched = {i: accounts[i].leaf() for i in changes}
        rows = merkle.changed(self._rows, touched, [account.leaf() for account in added])
        if not added:
            return Accounts(accounts, rows, self._index, self._vouchers)
        first = len(self._accounts)
        index = self._index | {account.public_key: first + i for i, account in enumerate(added)}
        vouchers = self._vouchers | {account.voucher for account in added if account.voucher}
        return Accounts(accounts, rows, index, vouchers)

    def root(self) -> bytes:
        """`accounts_root`."""
        return merkle.root_of_levels(self._rows)

    def prove(self, index: int) -> AccountProof:
        """Proof of one account under `root()`."""
        path = tuple(merkle.path(self._rows, index))
        return AccountProof(index, len(self._accounts), self._accounts[index], path)


@dataclass(frozen=True, slots=True)
class AccountProof:
    """That an account stands under an `accounts_root`."""

    index: int
    count: int
    account: Account
    path: tuple[bytes, ...]

    def root(self) -> bytes | None:
        """The root proven, or None when the proof has the wrong shape."""
        return merkle.root_from_path(self.account.leaf(), self.index, self.count, self.path)

    def encode(self) -> bytes:
        """Index and count (u32 each), the account, counted path (u8)."""
        head = uint(self.index, 4) + uint(self.count, 4) + self.account.encode()
        return head + uint(len(self.path), 1) + b"".join(self.path)

    @classmethod
    def read(cls, reader: Reader) -> AccountProof:
        """Parse from a reader; raises `DecodeError`."""
        index, count, account = reader.uint(4), reader.uint(4), reader.fixed(Account)
        path = tuple(reader.take(HASH_BYTES) for _ in range(reader.count(1, 32)))
        return cls(index, count, account, path)
