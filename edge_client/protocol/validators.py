"""The validator set of an epoch: who votes, how many votes decide, who leads a slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from edge_client.protocol import merkle
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.hashing import Tag, digest

ONE_VALIDATOR, VALIDATORS_MIN, VALIDATORS_MAX = 1, 4, 16
"""A single one, for trials, or so many that the failure of one stops nothing."""
ROOTS_REMEMBERED_MAX = 8
ORDERS_REMEMBERED_MAX = 64


def quorum(count: int) -> int:
    """Votes that decide among `count` validators: more than two thirds."""
    return 2 * count // 3 + 1


def faulty_max(count: int) -> int:
    """How many of `count` validators may be faulty while the protocol keeps its promises."""
    return (count - 1) // 3


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """Ed25519 keys in voting order; a validator's index in this tuple is its name in votes and headers."""

    keys: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= VALIDATORS_MAX or len(set(self.keys)) != len(self.keys):
            raise DecodeError(f"{len(self.keys)} validator keys: 1 to {VALIDATORS_MAX}, all different")

    @property
    def count(self) -> int:
        """n."""
        return len(self.keys)

    @property
    def quorum(self) -> int:
        """q = floor(2n/3) + 1 [CON-1]."""
        return quorum(self.count)

    @property
    def faulty_max(self) -> int:
        """f = floor((n-1)/3)."""
        return faulty_max(self.count)

    def index_of(self, public_key: bytes) -> int | None:
        """The validator's index, or None for a key outside the set."""
        return self.keys.index(public_key) if public_key in self.keys else None

    def root(self) -> bytes:
        """What `app_root` commits to."""
        return _root_of(self.keys)

    def leader(self, seed: bytes, slot: int) -> int:
        """Index of the leader of `slot`; the order is a permutation drawn from the epoch's seed [CON-2]."""
        order = sorted(range(self.count), key=lambda i: digest(Tag.LEADER, seed, self.keys[i]))
        return order[slot % self.count]

    def encode(self) -> bytes:
        """All keys, one after the other."""
        return b"".join(self.keys)

    def responders(self, nonce: int) -> list[int]:
        """Indices in the order in which validators answer an ask with this nonce [ASK-2]."""
        return list(_order_of(self.keys, nonce))


@lru_cache(maxsize=ORDERS_REMEMBERED_MAX)
def _order_of(keys: tuple[bytes, ...], nonce: int) -> tuple[int, ...]:
    """Remembered, because a question that is repeated keeps its nonce."""
    seed = nonce.to_bytes(8, "big")
    return tuple(sorted(range(len(keys)), key=lambda i: digest(Tag.ASK, seed, keys[i])))


@lru_cache(maxsize=ROOTS_REMEMBERED_MAX)
def _root_of(keys: tuple[bytes, ...]) -> bytes:
    """Remembered, because a light client compares every head with the same set."""
    return merkle.root([digest(Tag.VALIDATORS, key) for key in keys])


def signer_indices(bitmap: int) -> Sequence[int]:
    """Indices of the set bits, ascending."""
    return [i for i in range(bitmap.bit_length()) if bitmap >> i & 1]
