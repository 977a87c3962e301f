"""Handoffs: how a device gets from the validator set it trusts to a later one [HND].

A *handoff* is the last header of an epoch, final by the set of that epoch, with proof of that set and of the
next one. Everything here is *untrusted* until `verify_handoff` has compared it with a trusted set. See ADR
0007 §5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from edge_client.protocol.encoding import Fixed, Layout, Reader, uint
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.hashing import HASH_BYTES
from edge_client.protocol.header import AppLeaves, Header, app_root_of
from edge_client.protocol.keys import KEY_BYTES, Verify
from edge_client.protocol.validators import VALIDATORS_MAX, ValidatorSet, signer_indices
from edge_client.protocol.votes import Finality

HANDOFFS_MAX = 32
"""In one message: with 16 validators, half of them replaced, some 60 KiB."""


@dataclass(frozen=True, slots=True)
class SeatChange(Fixed):
    """The key that takes a seat in the next epoch."""

    LAYOUT: ClassVar[Layout] = Layout("SeatChange", ("index", "u8"), ("key", "b32"))
    index: int
    key: bytes


@dataclass(frozen=True, slots=True)
class SetProof:
    """The two validator sets a header commits to: that of its epoch, and what changes after it.

    `left` is the node over the first two app leaves; with the roots of both sets it gives `app_root`.
    """

    left: bytes
    signing: ValidatorSet
    changes: tuple[SeatChange, ...] = ()

    @classmethod
    def of(cls, app: AppLeaves, signing: ValidatorSet, following: ValidatorSet) -> SetProof:
        """From what a validator knows after the block."""
        pairs = enumerate(zip(signing.keys, following.keys, strict=True))
        changes = tuple(SeatChange(index, new) for index, (old, new) in pairs if old != new)
        return cls(app.left(), signing, changes)

    @property
    def next(self) -> ValidatorSet:
        """The set that signs the block after the header; raises `DecodeError` when a key comes twice."""
        keys = list(self.signing.keys)
        for change in self.changes:
            keys[change.index] = change.key
        return ValidatorSet(tuple(keys))

    def app_root(self) -> bytes:
        """The `app_root` that is proven."""
        return app_root_of(self.left, self.signing.root(), self.next.root())

    def check(self) -> None:
        """One encoding per change: seats that exist, ascending, each with a new key; raises `DecodeError`."""
        indices = [change.index for change in self.changes]
        if any(low >= high for low, high in pairwise(indices)) or any(
            index >= self.signing.count for index in indices
        ):
            raise DecodeError(f"changed seats {indices} of {self.signing.count}")
        if any(self.signing.keys[change.index] == change.key for change in self.changes):
            raise DecodeError("a changed seat keeps its key")
        _ = self.next

    def encode(self) -> bytes:
        """Left node, keys, counted changes (u8). How many keys, the header says."""
        changes = b"".join(change.encode() for change in self.changes)
        return self.left + self.signing.encode() + uint(len(self.changes), 1) + changes

    @classmethod
    def read(cls, reader: Reader, validators: int) -> SetProof:
        """Parse the proof of a set of that size; raises `DecodeError`."""
        left = reader.take(HASH_BYTES)
        signing = ValidatorSet(tuple(reader.take(KEY_BYTES) for _ in range(validators)))
        count = reader.count(1, VALIDATORS_MAX)
        proof = cls(left, signing, tuple(reader.fixed(SeatChange) for _ in range(count)))
        proof.check()
        return proof


@dataclass(frozen=True, slots=True)
class Handoff:
    """The last header of an epoch, what makes it final, and who signs from there on [HND-1]."""

    header: Header
    finality: Finality
    sets: SetProof

    @property
    def epoch(self) -> int:
        """The epoch that ends."""
        return self.header.epoch

    @property
    def signer_keys(self) -> frozenset[bytes]:
        """Keys of the seats that are named as signers, inside the set."""
        keys = self.sets.signing.keys
        named = signer_indices(self.finality.quorum.signers)
        return frozenset(keys[index] for index in named if index < len(keys))

    def encode(self) -> bytes:
        """Header, finality, sets."""
        return self.header.encode() + self.finality.encode() + self.sets.encode()

    @classmethod
    def read(cls, reader: Reader) -> Handoff:
        """Parse from a reader; raises `DecodeError`."""
        header, finality = reader.fixed(Header), Finality.read(reader)
        handoff = cls(header, finality, SetProof.read(reader, header.validators))
        if not handoff.sets.changes:
            raise DecodeError("Handoff: nothing changes")
        return handoff

    @classmethod
    def decode(cls, data: bytes) -> Handoff:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "Handoff")
        handoff = cls.read(reader)
        reader.finish()
        return handoff


def encode_handoffs(handoffs: Iterable[Handoff]) -> bytes:
    """A counted list (u8)."""
    encoded = [one.encode() for one in handoffs]
    return uint(len(encoded), 1) + b"".join(encoded)


def read_handoffs(reader: Reader) -> tuple[Handoff, ...]:
    """Inverse of `encode_handoffs`; raises `DecodeError`."""
    return tuple(Handoff.read(reader) for _ in range(reader.count(1, HANDOFFS_MAX)))


# --- checking ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrustedSet:
    """The validators of an epoch, proven."""

    epoch: int
    validators: ValidatorSet


@dataclass(frozen=True, slots=True)
class HandoffCase:
    """One question to the predicates: does this handoff lead on from the trusted set?"""

    chain_id: bytes
    verify: Verify
    trusted: TrustedSet
    handoff: Handoff


def verify_handoff(case: HandoffCase) -> TrustedSet:
    """The set after the handoff; raises `ProtocolError` with the first rule that is broken [HND-2]."""
    for predicate in PREDICATES:
        predicate(case)
    return TrustedSet(case.handoff.epoch + 1, case.handoff.sets.next)


def epoch_is_not_past(case: HandoffCase) -> None:
    """A handoff leads onward only."""
    if case.handoff.epoch < case.trusted.epoch:
        detail = f"handoff of epoch {case.handoff.epoch}, epoch {case.trusted.epoch} is trusted"
        raise ProtocolError(Reason.BELOW_STORED_HEIGHT, detail)


def set_is_the_trusted_one(case: HandoffCase) -> None:
    """Of the trusted epoch there is one set."""
    if case.handoff.epoch == case.trusted.epoch and case.handoff.sets.signing != case.trusted.validators:
        raise ProtocolError(Reason.WRONG_HASH, f"another validator set of epoch {case.trusted.epoch}")


def sets_are_the_headers(case: HandoffCase) -> None:
    """Both sets are those the header commits to."""
    if case.handoff.sets.app_root() != case.handoff.header.app_root:
        raise ProtocolError(Reason.WRONG_HASH, f"validator sets of epoch {case.handoff.epoch}")


def enough_of_the_trusted_signed(case: HandoffCase) -> None:
    """More than a third of the trusted set, by distinct keys: so at least one of them is honest."""
    trusted = case.trusted.validators
    common = len(case.handoff.signer_keys & frozenset(trusted.keys))
    if 3 * common <= trusted.count:
        detail = f"{common} of {trusted.count} trusted validators signed the handoff of {case.handoff.epoch}"
        raise ProtocolError(Reason.TOO_FEW_SIGNATURES, detail)


def signed_by_own_quorum(case: HandoffCase) -> None:
    """More than two thirds of the handoff's own set made its header final, in its slot or a later one."""
    handoff = case.handoff
    handoff.finality.verify(handoff.header, case.chain_id, handoff.sets.signing, case.verify)


PREDICATES: tuple[Callable[[HandoffCase], None], ...] = (
    epoch_is_not_past,
    set_is_the_trusted_one,
    enough_of_the_trusted_signed,
    sets_are_the_headers,
    signed_by_own_quorum,
)
"""Every check, in the order in which they are made."""
