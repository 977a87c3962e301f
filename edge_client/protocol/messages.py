"""Every message that is not a chunk: what devices ask, what validators say, and how validators talk.

A message is decoded by what its topic carries: `UpdateOffer.decode`, `Ask.decode` (devices and validators),
`decode_say`, `decode_validator_say`; each raises `DecodeError`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from struct import Struct
from typing import ClassVar

from edge_client.protocol.attack import LightAttack
from edge_client.protocol.checkpoint import Checkpoint, GetCheckpoint
from edge_client.protocol.chunks import CHUNKS_MAX, Bitmap, ObjectKind, chunk_count
from edge_client.protocol.encoding import Fixed, Layout, Reader, uint
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.handoff import Handoff, encode_handoffs, read_handoffs
from edge_client.protocol.hashing import HASH_BYTES
from edge_client.protocol.keys import SIGNATURE_BYTES, Purpose, Signer, Verify, signing_bytes
from edge_client.protocol.light import HeaderRun
from edge_client.protocol.records import Record, decode_record, encode_record
from edge_client.protocol.update import UpdateHead
from edge_client.protocol.votes import Certificate, Proposal, Vote
from edge_client.protocol.vouched import GetVouched, Vouched
from edge_client.protocol.wake import Awake, Fresh, Wake

REASONS = tuple(Reason)


# --- device -> validators ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UpdateOffer:
    """`up/<dev>/head/<root>`: a signed head and the hashes of the body's chunks."""

    head: UpdateHead
    chunk_hashes: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Head, then counted hashes (u16)."""
        return self.head.encode() + uint(len(self.chunk_hashes), 2) + b"".join(self.chunk_hashes)

    @classmethod
    def decode(cls, data: bytes) -> UpdateOffer:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "UpdateOffer")
        head = reader.fixed(UpdateHead)
        hashes = tuple(reader.take(HASH_BYTES) for _ in range(reader.count(2, CHUNKS_MAX)))
        reader.finish()
        if len(hashes) != chunk_count(head.size):
            raise DecodeError(f"UpdateOffer: {len(hashes)} chunk hashes for {head.size} bytes")
        return cls(head, hashes)


@dataclass(frozen=True, slots=True)
class SubmitRecord:
    """Ask: put this record (a registration, a change of params) into a block. Every validator keeps it."""

    record: Record

    def encode(self) -> bytes:
        """The record with its tag."""
        return encode_record(self.record)

    @classmethod
    def read(cls, reader: Reader) -> SubmitRecord:
        """Parse from a reader; raises `DecodeError`."""
        return cls(decode_record(reader.rest()))


@dataclass(frozen=True, slots=True)
class GetHeaders:
    """Ask: headers of heights `first` to `last`; the answer may stop earlier, at a certified one."""

    first: int
    last: int

    def encode(self) -> bytes:
        """Two heights (u32)."""
        return uint(self.first, 4) + uint(self.last, 4)

    @classmethod
    def read(cls, reader: Reader) -> GetHeaders:
        """Parse from a reader; raises `DecodeError`."""
        first, last = reader.uint(4), reader.uint(4)
        if not 1 <= first <= last:
            raise DecodeError(f"GetHeaders: {first} to {last}")
        return cls(first, last)


@dataclass(frozen=True, slots=True)
class GetChunks:
    """Ask: these chunks of an object; a bitmap of count 0 asks for the first window of an object of
    unknown size."""

    kind: ObjectKind
    root: bytes
    wanted: Bitmap

    def encode(self) -> bytes:
        """Kind (u8), root, bitmap."""
        return uint(self.kind, 1) + self.root + self.wanted.encode()

    @classmethod
    def read(cls, reader: Reader) -> GetChunks:
        """Parse from a reader; raises `DecodeError`."""
        kind = reader.uint(1)
        if kind not in tuple(ObjectKind):
            raise DecodeError(f"GetChunks: kind {kind}")
        return cls(ObjectKind(kind), reader.take(HASH_BYTES), Bitmap.read(reader))


@dataclass(frozen=True, slots=True)
class GetHandoffs:
    """Ask: handoffs that lead from the validator set of epoch `first` to the one after epoch `last`."""

    first: int
    last: int

    def encode(self) -> bytes:
        """Two epochs (u32)."""
        return uint(self.first, 4) + uint(self.last, 4)

    @classmethod
    def read(cls, reader: Reader) -> GetHandoffs:
        """Parse from a reader; raises `DecodeError`."""
        first, last = reader.uint(4), reader.uint(4)
        if first > last:
            raise DecodeError(f"GetHandoffs: {first} to {last}")
        return cls(first, last)


Question = (
    SubmitRecord | GetHeaders | GetChunks | Wake | GetHandoffs | GetCheckpoint | LightAttack | GetVouched
)


@dataclass(frozen=True, slots=True)
class Ask:
    """A question on `up/<dev>/ask` or `val/<val>/ask`.

    The validator that stands at place `attempt` of `ValidatorSet.responders(nonce)` answers; who hears
    nothing for two seconds asks again with the next attempt [ASK-2].
    """

    nonce: int
    attempt: int
    question: Question

    def encode(self) -> bytes:
        """Kind (u8), nonce (u64), attempt (u8), question."""
        kind = _QUESTIONS.index(type(self.question)) + 1
        return uint(kind, 1) + uint(self.nonce, 8) + uint(self.attempt, 1) + self.question.encode()

    @classmethod
    def decode(cls, data: bytes) -> Ask:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "Ask")
        kind, nonce, attempt = _ASK_HEAD.unpack(reader.take(_ASK_HEAD.size))
        if not 1 <= kind <= len(_QUESTIONS):
            raise DecodeError(f"Ask: kind {kind}")
        ask = cls(nonce, attempt, _QUESTIONS[kind - 1].read(reader))
        reader.finish()
        return ask


_ASK_HEAD = Struct(">BQB")
_QUESTIONS: tuple[type[Question], ...] = (
    SubmitRecord,
    GetHeaders,
    GetChunks,
    Wake,
    GetHandoffs,
    GetCheckpoint,
    LightAttack,
    GetVouched,
)


# --- validator -> device ----------------------------------------------------------------------------------

ACCEPTED, REFUSED = 1, 2


@dataclass(frozen=True, slots=True)
class Receipt(Fixed):
    """A validator's word on an update: its body is on my disk (1), or I refuse it and why (2) [RCP-1].

    `reason` is the place in `errors.Reason`, 0 with verdict 1; `height` is the validator's latest height.
    """

    LAYOUT: ClassVar[Layout] = Layout(
        "Receipt",
        ("verdict", "u8"),
        ("reason", "u8"),
        ("height", "u32"),
        ("update_root", "b32"),
        ("signature", "b64"),
    )
    verdict: int
    reason: int
    height: int
    update_root: bytes
    signature: bytes = bytes(SIGNATURE_BYTES)

    def check(self) -> None:
        """Known verdicts and reasons only."""
        if self.verdict not in (ACCEPTED, REFUSED) or self.reason >= len(REASONS):
            raise DecodeError(f"Receipt: verdict {self.verdict}, reason {self.reason}")
        if self.verdict == ACCEPTED and self.reason:
            raise DecodeError("Receipt: accepted with a reason")

    def signing_bytes(self, chain_id: bytes) -> bytes:
        """What the validator signs."""
        return signing_bytes(Purpose.RECEIPT, chain_id, self.encode()[:-SIGNATURE_BYTES])

    def sign(self, signer: Signer, chain_id: bytes) -> Receipt:
        """The receipt with the validator's signature."""
        return replace(self, signature=signer.sign(self.signing_bytes(chain_id)))

    def verify(self, chain_id: bytes, public_key: bytes, verify: Verify) -> None:
        """Raise `ProtocolError` unless this validator signed."""
        if not verify(public_key, self.signing_bytes(chain_id), self.signature):
            raise ProtocolError(Reason.BAD_SIGNATURE, "receipt")

    @classmethod
    def read(cls, reader: Reader) -> Receipt:
        """Parse from a reader; raises `DecodeError`."""
        return reader.fixed(cls)


@dataclass(frozen=True, slots=True)
class MissingChunks:
    """These chunks of your update have not arrived here."""

    update_root: bytes
    missing: Bitmap

    def encode(self) -> bytes:
        """Root, bitmap."""
        return self.update_root + self.missing.encode()

    @classmethod
    def read(cls, reader: Reader) -> MissingChunks:
        """Parse from a reader; raises `DecodeError`."""
        return cls(reader.take(HASH_BYTES), Bitmap.read(reader))


@dataclass(frozen=True, slots=True)
class Handoffs:
    """Answer to `GetHandoffs`: each is vouched for by the set before it; maybe not all the way [ASK-5]."""

    handoffs: tuple[Handoff, ...]

    def encode(self) -> bytes:
        """A counted list (u8)."""
        return encode_handoffs(self.handoffs)

    @classmethod
    def read(cls, reader: Reader) -> Handoffs:
        """Parse from a reader; raises `DecodeError`."""
        return cls(read_handoffs(reader))

    @classmethod
    def decode(cls, data: bytes) -> Handoffs:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "Handoffs")
        handoffs = cls.read(reader)
        reader.finish()
        return handoffs


Say = Receipt | MissingChunks | HeaderRun | Awake | Handoffs | Fresh | Vouched

_SAYS: tuple[tuple[type, Callable[[Reader], Say]], ...] = (
    (Receipt, Receipt.read),
    (MissingChunks, MissingChunks.read),
    (HeaderRun, HeaderRun.read),
    (Awake, Awake.read),
    (Handoffs, Handoffs.read),
    (Fresh, Fresh.read),
    (Vouched, Vouched.read),
)


def encode_say(message: Say) -> bytes:
    """Kind (u8: receipt, missing chunks, headers, awake, handoffs, fresh, vouched), then the message."""
    kinds = [kind for kind, _ in _SAYS]
    return uint(kinds.index(type(message)) + 1, 1) + message.encode()


def decode_say(data: bytes) -> Say:
    """Inverse of `encode_say`; raises `DecodeError`."""
    reader = Reader(data, "Say")
    kind = reader.uint(1)
    if not 1 <= kind <= len(_SAYS):
        raise DecodeError(f"Say: kind {kind}")
    message = _SAYS[kind - 1][1](reader)
    reader.finish()
    return message


# --- validator -> validators ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recall(Fixed):
    """A validator that has just started: tell me what I signed in slots above this one [MSG-4]."""

    LAYOUT: ClassVar[Layout] = Layout("Recall", ("epoch", "u32"), ("slot", "u32"))
    epoch: int
    slot: int


ConsensusMessage = Proposal | Vote | Certificate
ValidatorMessage = ConsensusMessage | HeaderRun | Checkpoint | Handoffs | Recall

_VALIDATOR_SAYS: tuple[tuple[type, Callable[[bytes], ValidatorMessage]], ...] = (
    (Proposal, Proposal.decode),
    (Vote, Vote.decode),
    (Certificate, Certificate.decode),
    (HeaderRun, HeaderRun.decode),
    (Checkpoint, Checkpoint.decode),
    (Handoffs, Handoffs.decode),
    (Recall, Recall.decode),
)


def encode_validator_say(message: ValidatorMessage) -> bytes:
    """Kind (u8: proposal, vote, certificate, headers, checkpoint, handoffs, recall), then the message."""
    kinds = [kind for kind, _ in _VALIDATOR_SAYS]
    return uint(kinds.index(type(message)) + 1, 1) + message.encode()


def decode_validator_say(data: bytes) -> ValidatorMessage:
    """Inverse of `encode_validator_say`; raises `DecodeError`."""
    reader = Reader(data, "validator message")
    kind = reader.uint(1)
    if not 1 <= kind <= len(_VALIDATOR_SAYS):
        raise DecodeError(f"validator message of kind {kind}")
    return _VALIDATOR_SAYS[kind - 1][1](reader.rest())
