"""Who may sign: the seats of the epoch, those of the next, and who would take one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

from edge_client.protocol.encoding import Fixed, Layout, Reader, uint
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.validators import VALIDATORS_MAX, ValidatorSet

GENESIS_SEAT = (1 << 32) - 1
"""The account number of a seat whose holder genesis named."""
CANDIDATES_MAX = 1024
"""Rows; filling them costs as many bonds."""


@dataclass(frozen=True, slots=True)
class Seat(Fixed):
    """One place in the validator set: the key that signs, and the account that earned it."""

    LAYOUT: ClassVar[Layout] = Layout("Seat", ("key", "b32"), ("account", "u32"))
    key: bytes
    account: int = GENESIS_SEAT

    @property
    def is_of_genesis(self) -> bool:
        """Whether a validator of genesis holds it."""
        return self.account == GENESIS_SEAT


@dataclass(frozen=True, slots=True)
class Candidate(Fixed):
    """An account that would take a seat, the key it would sign with, and its bond in balance units, which a
    pair of contradicting signatures costs it. `leaving` is 0, or the height the unbonding time counts from:
    that of OPT_OUT, or the later one at which its seat went [SEA-5]."""

    LAYOUT: ClassVar[Layout] = Layout(
        "Candidate", ("account", "u32"), ("key", "b32"), ("bond", "u64"), ("leaving", "u32")
    )
    account: int
    key: bytes
    bond: int
    leaving: int = 0

    @property
    def is_leaving(self) -> bool:
        """Whether it opted out."""
        return self.leaving > 0


@dataclass(frozen=True, slots=True)
class Seats:
    """What `seats_root` commits to [SEA-1].

    `seated` sign the blocks of `epoch`, which began at `first_height` (or had its last election without a
    change before it). `next` is the same set unless this block is the boundary (`is_sealed`): then no other
    block of the epoch may follow, and `next` signs what does. `candidates` ascend by account. Bit i of
    `convicted` is set when validator i of genesis signed a contradiction.
    """

    epoch: int
    first_height: int
    seated: tuple[Seat, ...]
    next: tuple[Seat, ...]
    is_sealed: bool = False
    candidates: tuple[Candidate, ...] = ()
    convicted: int = 0

    @classmethod
    def of_genesis(cls, validators: ValidatorSet) -> Seats:
        """Before the first block: the validators of genesis, seated for as long as nobody qualifies."""
        seated = tuple(Seat(key) for key in validators.keys)
        return cls(0, 1, seated, seated)

    @property
    def validators(self) -> ValidatorSet:
        """The set that signs this epoch."""
        return _set_of(self.seated)

    @property
    def next_validators(self) -> ValidatorSet:
        """The set that signs the block after this one's boundary; the same unless sealed."""
        return _set_of(self.next)

    def candidate_of(self, account: int) -> Candidate | None:
        """The row of an account."""
        return next((one for one in self.candidates if one.account == account), None)

    def candidate_with(self, key: bytes) -> Candidate | None:
        """The row with this validator key."""
        return next((one for one in self.candidates if one.key == key), None)

    def holds_seat(self, key: bytes) -> bool:
        """Whether the key signs this epoch or the next."""
        return any(seat.key == key for seat in (*self.seated, *self.next))

    def with_candidate(self, row: Candidate) -> Seats:
        """With this row added, or in place of the one of its account."""
        others = [one for one in self.candidates if one.account != row.account]
        return replace(self, candidates=tuple(sorted((*others, row), key=lambda one: one.account)))

    def without_candidate(self, account: int) -> Seats:
        """Without the row of this account."""
        return replace(self, candidates=tuple(one for one in self.candidates if one.account != account))

    def rolled(self, height: int) -> Seats:
        """What the block of `height` on this state is executed on: the next epoch if this one is sealed.
        Unbonding of who opted out and had a seat counts from here [SEA-5]."""
        if not self.is_sealed:
            return self
        lost = {seat.key for seat in self.seated} - {seat.key for seat in self.next}
        rows = tuple(
            replace(one, leaving=height) if one.is_leaving and one.key in lost else one
            for one in self.candidates
        )
        return replace(
            self,
            epoch=self.epoch + 1,
            first_height=height,
            seated=self.next,
            is_sealed=False,
            candidates=rows,
        )

    def root(self) -> bytes:
        """`seats_root`."""
        return digest(Tag.SEATS, self.encode())

    def encode(self) -> bytes:
        """Epoch and first height (u32), sealed (u8), seats and next seats (each counted u8), candidates
        (counted u16), convicted (u16)."""
        return b"".join(
            (
                uint(self.epoch, 4) + uint(self.first_height, 4) + uint(self.is_sealed, 1),
                uint(len(self.seated), 1) + b"".join(seat.encode() for seat in self.seated),
                uint(len(self.next), 1) + b"".join(seat.encode() for seat in self.next),
                uint(len(self.candidates), 2) + b"".join(one.encode() for one in self.candidates),
                uint(self.convicted, 2),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Seats:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "Seats")
        seats = cls(
            epoch=reader.uint(4),
            first_height=reader.uint(4),
            is_sealed=bool(reader.count(1, 1)),
            seated=_read_seats(reader),
            next=_read_seats(reader),
            candidates=tuple(reader.fixed(Candidate) for _ in range(reader.count(2, CANDIDATES_MAX))),
            convicted=reader.uint(2),
        )
        reader.finish()
        seats.check()
        return seats

    def check(self) -> None:
        """Refuse what no chain can come to; raises `DecodeError`."""
        for broken, why in (
            (not self.first_height, "an epoch begins at height 1 or later"),
            (len(self.seated) != len(self.next), "the set keeps its size"),
            (self.is_sealed == (self.seated == self.next), "sealed when the next set is another"),
            (any(a.account >= b.account for a, b in pairwise(self.candidates)), "candidates ascend"),
            (len({one.key for one in self.candidates}) != len(self.candidates), "a key has one candidate"),
        ):
            if broken:
                raise DecodeError(f"Seats: {why}")


def _read_seats(reader: Reader) -> tuple[Seat, ...]:
    seats = tuple(reader.fixed(Seat) for _ in range(reader.count(1, VALIDATORS_MAX)))
    _set_of(seats)
    accounts = [seat.account for seat in seats if not seat.is_of_genesis]
    if len(set(accounts)) != len(accounts):
        raise DecodeError("Seats: an account has two seats")
    return seats


def _set_of(seats: tuple[Seat, ...]) -> ValidatorSet:
    return ValidatorSet(tuple(seat.key for seat in seats))
