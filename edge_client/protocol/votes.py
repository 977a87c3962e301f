"""Votes, certificates and proposals of the Simplex consensus [CON].

A *vote* is one signature; a *certificate* is a quorum of them on the same subject. A finality certificate
(kind FINALIZE) is by itself a proof that its header is final.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from edge_client.protocol.encoding import Fixed, Layout, Reader, uint
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.hashing import ZERO_HASH, Tag, digest
from edge_client.protocol.header import Header
from edge_client.protocol.keys import SIGNATURE_BYTES, Purpose, Verify, signing_bytes
from edge_client.protocol.validators import ValidatorSet, signer_indices

VOTES_MAX = 4096
CERTIFICATES_MAX = 2048
SNAPSHOT_BYTES_MAX = 96 * 1024
"""Fits a packet with room for what is around it."""


class VoteKind(IntEnum):
    """N, Z and F of the rules."""

    NOTARIZE = 1
    NULLIFY = 2
    FINALIZE = 3


_PURPOSES: Mapping[int, Purpose] = {
    VoteKind.NOTARIZE: Purpose.NOTARIZE,
    VoteKind.NULLIFY: Purpose.NULLIFY,
    VoteKind.FINALIZE: Purpose.FINALIZE,
}


@dataclass(frozen=True, slots=True)
class Subject(Fixed):
    """What a vote is about. A nullify vote names no block: height and hash are zero."""

    LAYOUT: ClassVar[Layout] = Layout(
        "Subject", ("kind", "u8"), ("epoch", "u32"), ("slot", "u32"), ("height", "u32"), ("hash", "b32")
    )
    kind: int
    epoch: int
    slot: int
    height: int
    hash: bytes

    def check(self) -> None:
        """One encoding per meaning [CON-3]."""
        if self.kind not in _PURPOSES or not self.slot:
            raise DecodeError(f"Subject: kind {self.kind}, slot {self.slot}")
        names_block = self.kind != VoteKind.NULLIFY
        if names_block != (self.height > 0) or (not names_block and self.hash != ZERO_HASH):
            raise DecodeError("Subject: height and hash do not fit the kind of vote")

    def signing_bytes(self, chain_id: bytes) -> bytes:
        """What a validator signs to cast this vote."""
        return signing_bytes(_PURPOSES[self.kind], chain_id, self.encode())


def notarize(header: Header, header_hash: bytes, slot: int | None = None) -> Subject:
    """Subject of N(e, v, height, hash); v is the slot the block was first proposed in unless told."""
    at = header.slot if slot is None else slot
    return Subject(VoteKind.NOTARIZE, header.epoch, at, header.height, header_hash)


def nullify(epoch: int, slot: int) -> Subject:
    """Subject of Z(e, v)."""
    return Subject(VoteKind.NULLIFY, epoch, slot, 0, ZERO_HASH)


def finalize(header: Header, header_hash: bytes, slot: int | None = None) -> Subject:
    """Subject of F(e, v, height, hash); v is the slot the block was first proposed in unless told."""
    at = header.slot if slot is None else slot
    return Subject(VoteKind.FINALIZE, header.epoch, at, header.height, header_hash)


@dataclass(frozen=True, slots=True)
class Vote(Fixed):
    """One validator's signature on a subject."""

    LAYOUT: ClassVar[Layout] = Layout(
        "Vote",
        *Subject.LAYOUT.fields,
        ("signer", "u8"),
        ("signature", "b64"),
    )
    kind: int
    epoch: int
    slot: int
    height: int
    hash: bytes
    signer: int
    signature: bytes

    @property
    def subject(self) -> Subject:
        """What is voted on."""
        return Subject(self.kind, self.epoch, self.slot, self.height, self.hash)

    def check(self) -> None:
        """See `Subject.check`."""
        self.subject.check()

    def verify(self, chain_id: bytes, validators: ValidatorSet, verify: Verify) -> None:
        """Raise `ProtocolError` unless a member of the set signed this."""
        if self.signer >= validators.count:
            raise ProtocolError(Reason.WRONG_SENDER, f"vote of validator {self.signer}")
        if not verify(validators.keys[self.signer], self.subject.signing_bytes(chain_id), self.signature):
            raise ProtocolError(Reason.BAD_SIGNATURE, f"vote of validator {self.signer}")


def vote(subject: Subject, signer: int, signature: bytes) -> Vote:
    """Put a subject and a signature together."""
    return Vote(subject.kind, subject.epoch, subject.slot, subject.height, subject.hash, signer, signature)


@dataclass(frozen=True, slots=True)
class Quorum:
    """Signatures of several validators on one subject, in ascending order of their index."""

    signers: int
    signatures: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Bitmap of signers (u16: a set has at most 16 validators), then one signature per set bit."""
        return uint(self.signers, 2) + b"".join(self.signatures)

    @classmethod
    def read(cls, reader: Reader) -> Quorum:
        """Parse from a reader; raises `DecodeError`."""
        signers = reader.uint(2)
        data = reader.take(signers.bit_count() * SIGNATURE_BYTES)
        starts = range(0, len(data), SIGNATURE_BYTES)
        return cls(signers, tuple([data[at : at + SIGNATURE_BYTES] for at in starts]))

    @classmethod
    def of(cls, signatures: Mapping[int, bytes]) -> Quorum:
        """From index -> signature."""
        indices = sorted(signatures)
        return cls(sum(1 << i for i in indices), tuple(signatures[i] for i in indices))

    def lowest(self, count: int) -> Quorum:
        """The signatures of the `count` lowest indices: enough is enough on the wire to devices."""
        indices = list(signer_indices(self.signers))[:count]
        return Quorum.of(dict(zip(indices, self.signatures, strict=False)))

    def verify(self, subject: Subject, chain_id: bytes, validators: ValidatorSet, verify: Verify) -> None:
        """Raise `ProtocolError` unless a quorum of the set signed `subject`; counts first [CON-4]."""
        keys, needed = validators.keys, validators.quorum
        if self.signers >> len(keys):
            raise ProtocolError(Reason.WRONG_SENDER, "certificate signer outside the validator set")
        if len(self.signatures) < needed:
            detail = f"{len(self.signatures)} signatures, {needed} needed"
            raise ProtocolError(Reason.TOO_FEW_SIGNATURES, detail)
        message = subject.signing_bytes(chain_id)
        for index, signature in zip(signer_indices(self.signers), self.signatures, strict=True):
            if not verify(keys[index], message, signature):
                raise ProtocolError(Reason.BAD_SIGNATURE, f"certificate signature of validator {index}")


@dataclass(frozen=True, slots=True)
class Certificate:
    """NC, ZC or FC: a quorum on one subject."""

    subject: Subject
    quorum: Quorum

    def encode(self) -> bytes:
        """Subject, then quorum."""
        return self.subject.encode() + self.quorum.encode()

    @classmethod
    def read(cls, reader: Reader) -> Certificate:
        """Parse from a reader; raises `DecodeError`."""
        return cls(reader.fixed(Subject), Quorum.read(reader))

    @classmethod
    def decode(cls, data: bytes) -> Certificate:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "Certificate")
        certificate = cls.read(reader)
        reader.finish()
        return certificate

    def verify(self, chain_id: bytes, validators: ValidatorSet, verify: Verify) -> None:
        """Raise `ProtocolError` unless this is a certificate of `validators`."""
        self.quorum.verify(self.subject, chain_id, validators, verify)

    def votes(self) -> tuple[Vote, ...]:
        """The votes it is made of: what makes a pair with another vote of the same signer is evidence."""
        signed = zip(signer_indices(self.quorum.signers), self.quorum.signatures, strict=True)
        return tuple(vote(self.subject, index, signature) for index, signature in signed)

    def id(self) -> bytes:
        """Hash of the bytes; a certificate once verified is recognised by it."""
        return digest(Tag.CERTIFICATE, self.encode())


@dataclass(frozen=True, slots=True)
class Finality:
    """What shows a header final to who has the header: a quorum's F votes, and the slot they were cast in.

    That slot is the header's own, or a later one in which the block was proposed again.
    """

    slot: int
    quorum: Quorum

    def encode(self) -> bytes:
        """Slot (u32), then quorum."""
        return uint(self.slot, 4) + self.quorum.encode()

    @classmethod
    def read(cls, reader: Reader) -> Finality:
        """Parse from a reader; raises `DecodeError`."""
        return cls(reader.uint(4), Quorum.read(reader))

    @classmethod
    def of(cls, certificate: Certificate) -> Finality:
        """From an FC."""
        return cls(certificate.subject.slot, certificate.quorum)

    def lowest(self, count: int) -> Finality:
        """See `Quorum.lowest`."""
        return Finality(self.slot, self.quorum.lowest(count))

    def certificate(self, header: Header, chain_id: bytes) -> Certificate:
        """The FC of `header` that this is if `verify` agrees."""
        return Certificate(finalize(header, header.hash(chain_id), self.slot), self.quorum)

    def verify(self, header: Header, chain_id: bytes, validators: ValidatorSet, verify: Verify) -> None:
        """Raise `ProtocolError` unless a quorum of the set made `header` final [CON-9]."""
        if self.slot < header.slot:
            detail = f"finality of slot {self.slot} for a block of slot {header.slot}"
            raise ProtocolError(Reason.MALFORMED, detail)
        subject = finalize(header, header.hash(chain_id), self.slot)
        self.quorum.verify(subject, chain_id, validators, verify)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Propose(e, v, header): the signature of the leader of slot v on a header; the body travels by
    `body_root`. A new block has v as its own slot; above that, a notarised block is proposed again.
    """

    slot: int
    header: Header
    signature: bytes

    def encode(self) -> bytes:
        """Slot (u32), header, signature."""
        return self._signed() + self.signature

    @classmethod
    def decode(cls, data: bytes) -> Proposal:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "Proposal")
        proposal = cls(reader.uint(4), reader.fixed(Header), reader.take(SIGNATURE_BYTES))
        reader.finish()
        if proposal.slot < proposal.header.slot:
            raise DecodeError(f"Proposal: slot {proposal.slot} of a block of slot {proposal.header.slot}")
        return proposal

    def signing_bytes(self, chain_id: bytes) -> bytes:
        """What the leader signs."""
        return signing_bytes(Purpose.PROPOSE, chain_id, self._signed())

    def verify(self, chain_id: bytes, leader: bytes, verify: Verify) -> None:
        """Raise `ProtocolError` unless this key signed; whose it must be follows from slot and epoch."""
        if not verify(leader, self.signing_bytes(chain_id), self.signature):
            raise ProtocolError(Reason.BAD_SIGNATURE, f"proposal of slot {self.slot}")

    def _signed(self) -> bytes:
        return uint(self.slot, 4) + self.header.encode()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Anti-entropy: a validator's own votes above its last final slot and the certificates it holds since."""

    votes: tuple[Vote, ...]
    certificates: tuple[Certificate, ...]

    def encode(self) -> bytes:
        """Two counted lists (u16 each)."""
        parts = [uint(len(self.votes), 2), *(one.encode() for one in self.votes)]
        return b"".join(parts) + encode_certificates(self.certificates)

    @classmethod
    def decode(cls, data: bytes) -> Snapshot:
        """Inverse of `encode`; raises `DecodeError`."""
        if len(data) > SNAPSHOT_BYTES_MAX:
            raise DecodeError(f"Snapshot: {len(data)} bytes", Reason.OVERSIZE)
        reader = Reader(data, "Snapshot")
        votes = tuple(reader.fixed(Vote) for _ in range(reader.count(2, VOTES_MAX)))
        snapshot = cls(votes, read_certificates(reader))
        reader.finish()
        return snapshot


def encode_certificates(certificates: Iterable[Certificate]) -> bytes:
    """A counted list (u16) of certificates."""
    encoded = [certificate.encode() for certificate in certificates]
    return uint(len(encoded), 2) + b"".join(encoded)


def read_certificates(reader: Reader) -> tuple[Certificate, ...]:
    """Inverse of `encode_certificates`; raises `DecodeError`."""
    return tuple(Certificate.read(reader) for _ in range(reader.count(2, CERTIFICATES_MAX)))
