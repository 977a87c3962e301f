"""A committee of validators with all its keys, to make votes, certificates and blocks for consensus tests.

Two signature schemes: real Ed25519, and a keyed hash that is ten times faster and that nobody can forge who
was not handed the signing function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from broker.core.consensus.events import FinalBlock, Setup, Timing
from broker.core.consensus.justification import Parent
from broker.core.consensus.simplex import Simplex
from broker.core.verified import VerifyOnce
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.header import HEADER_VERSION, Header
from edge_client.protocol.keys import Signer, Verify, verify
from edge_client.protocol.validators import ValidatorSet
from edge_client.protocol.votes import (
    Certificate,
    Proposal,
    Quorum,
    Subject,
    Vote,
    encode_certificates,
    finalize,
    notarize,
    nullify,
    vote,
)

CHAIN_ID = b"\x07" * 32
LEADER_SEED = b"\x01" * 32
EPOCH = 0
ROOT = Parent.genesis(CHAIN_ID)
GENESIS = FinalBlock.root(ROOT)
Sign = Callable[[bytes], bytes]


@dataclass(frozen=True)
class KeyedHash:
    """Signatures that only `sign` of the right index makes; `verify` knows all secrets."""

    secrets: dict[bytes, bytes] = field(default_factory=dict)

    def add(self, index: int) -> tuple[bytes, Sign]:
        """Public key and signing function of one more validator."""
        public_key = blake2b(b"public", digest_size=32, salt=bytes([index])).digest()
        secret = blake2b(b"secret", digest_size=32, salt=bytes([index])).digest()
        self.secrets[public_key] = secret
        return public_key, lambda message: blake2b(message, key=secret).digest()

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the owner of `public_key` signed `message`."""
        return blake2b(message, key=self.secrets[public_key]).digest() == signature


class Committee:
    """The validator set of one epoch with all its keys. `real` chooses Ed25519, `kind` may have leaders of
    its own; `people` is how many there are to choose the sets of later epochs from."""

    def __init__(
        self, count: int, real: bool = False, kind: type[ValidatorSet] = ValidatorSet, people: int = 0
    ) -> None:
        self.people: list[tuple[bytes, Sign]]
        self.verify: Verify
        if real:
            signers = [Signer(bytes([index + 1]) * 32) for index in range(max(count, people))]
            self.people, self.verify = [(one.public_key, one.sign) for one in signers], verify
        else:
            scheme = KeyedHash()
            self.people = [scheme.add(index) for index in range(max(count, people))]
            self.verify = scheme.verify
        self._kind = kind
        self._seat(range(count), EPOCH, ROOT, LEADER_SEED)

    def _seat(self, members: Sequence[int], epoch: int, root: Parent, seed: bytes) -> None:
        self.members, self.epoch, self.root, self.seed = tuple(members), epoch, root, seed
        self.signs = [self.people[one][1] for one in members]
        self.validators = self._kind(tuple(self.people[one][0] for one in members))
        self._leaders = [self.validators.leader(seed, slot) for slot in range(len(members))]

    def successor(self, members: Sequence[int], last: Header) -> Committee:
        """The set of the next epoch, which begins on `last`."""
        other = copy(self)
        root = Parent(hash_of(last), last.height, last.slot)
        other._seat(members, self.epoch + 1, root, root.hash)
        return other

    def seat_of(self, person: int) -> int | None:
        """Index of a person in this set."""
        return self.members.index(person) if person in self.members else None

    def leader(self, slot: int) -> int:
        """Who leads `slot`."""
        return self._leaders[slot % len(self._leaders)]

    def setup(self, own_index: int | None, timing: Timing | None = None) -> Setup:
        """Configuration of one validator."""
        timing = timing or Timing()
        return Setup(CHAIN_ID, self.epoch, self.root, self.seed, self.validators, own_index, timing)

    def machine(
        self, own_index: int | None, *entries: Vote | Proposal | Certificate, timing: Timing | None = None
    ) -> Simplex:
        """A machine at genesis, restored from `entries`."""
        sign = self.signs[own_index or 0]
        return Simplex(self.setup(own_index, timing), sign, VerifyOnce(self.verify), GENESIS, entries)

    def check(self, message: Vote | Proposal, verify: Verify) -> None:
        """Raise `ProtocolError` unless a member signed a vote, or the leader of its slot a proposal."""
        if isinstance(message, Vote):
            message.verify(CHAIN_ID, self.validators, verify)
        else:
            message.verify(CHAIN_ID, self.validators.keys[self.leader(message.slot)], verify)

    def vote(self, subject: Subject, signer: int) -> Vote:
        """A genuine vote."""
        return vote(subject, signer, self.signs[signer](subject.signing_bytes(CHAIN_ID)))

    def certificate(self, subject: Subject, signers: Iterable[int] | None = None) -> Certificate:
        """A certificate by `signers`, the first q by default."""
        who = range(self.validators.quorum) if signers is None else signers
        return Certificate(subject, Quorum.of({one: self.vote(subject, one).signature for one in who}))

    def proposal(self, header: Header, slot: int | None = None) -> Proposal:
        """The header signed by the leader of its slot, or of the later `slot` it is proposed again in."""
        at = header.slot if slot is None else slot
        unsigned = Proposal(at, header, b"")
        return replace(unsigned, signature=self.signs[self.leader(at)](unsigned.signing_bytes(CHAIN_ID)))

    def header(
        self, slot: int, parent: Header | None = None, just: Sequence[Certificate] = (), text: bytes = b""
    ) -> Header:
        """A header on `parent` (None = genesis) whose roots depend on parent, justification and `text`."""
        parent_hash = hash_of(parent) if parent else CHAIN_ID
        return Header(
            HEADER_VERSION,
            0,
            self.leader(slot),
            self.validators.count,
            parent.height + 1 if parent else 1,
            slot,
            slot,
            self.epoch,
            digest(Tag.MMR, parent_hash),
            digest(Tag.BODY, text, encode_certificates(just)),
            digest(Tag.APP, parent.app_root if parent else b"", text),
        )

    def n(self, header: Header, signer: int, slot: int | None = None) -> Vote:
        """N vote, in the block's own slot or a later one."""
        return self.vote(notarize(header, hash_of(header), slot), signer)

    def z(self, slot: int, signer: int) -> Vote:
        """Z vote."""
        return self.vote(nullify(self.epoch, slot), signer)

    def f(self, header: Header, signer: int, slot: int | None = None) -> Vote:
        """F vote."""
        return self.vote(finalize(header, hash_of(header), slot), signer)

    def nc(
        self, header: Header, signers: Iterable[int] | None = None, slot: int | None = None
    ) -> Certificate:
        """Notarisation certificate."""
        return self.certificate(notarize(header, hash_of(header), slot), signers)

    def zc(self, slot: int, signers: Iterable[int] | None = None) -> Certificate:
        """Nullification certificate."""
        return self.certificate(nullify(self.epoch, slot), signers)

    def fc(
        self, header: Header, signers: Iterable[int] | None = None, slot: int | None = None
    ) -> Certificate:
        """Finality certificate."""
        return self.certificate(finalize(header, hash_of(header), slot), signers)


def hash_of(header: Header) -> bytes:
    """Hash of a header of the test chain."""
    return header.hash(CHAIN_ID)
