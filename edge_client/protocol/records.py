"""Typed records: everything a block can say. A block body is a sorted list of them [REC-1]."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import ClassVar

from edge_client.protocol.encoding import Fixed, Layout
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.evidence import Evidence, ProposalPair, VotePair
from edge_client.protocol.keys import (
    KEY_BYTES,
    SIGNATURE_BYTES,
    Purpose,
    Signer,
    Verify,
    is_small_order,
    signing_bytes,
)
from edge_client.protocol.params import RoundParams
from edge_client.protocol.update import UpdateHead

OWNERS_MAX = 4
NO_SIGNATURE = bytes(SIGNATURE_BYTES)


class RecordTag(IntEnum):
    """First byte of a record. Tags without a struct here make a block invalid in header version 1."""

    UPDATE = 1
    REGISTER = 2
    REVOKE = 3
    ROTATE = 4
    OPT_IN = 5
    OPT_OUT = 6
    PARAMS = 7
    CUT = 8
    SCORE_COMMIT = 9
    SCORE_REVEAL = 10
    EVIDENCE = 11
    ROLLBACK = 12
    FORGET = 13
    REDEEM = 14
    EVIDENCE_PROPOSALS = 15


@dataclass(frozen=True, slots=True)
class Register(Fixed):
    """A device asks for an account. With admission by token the device also shows a voucher: a key that an
    owner signed, and that key's signature over the device's key; everything of it is zero otherwise."""

    LAYOUT: ClassVar[Layout] = Layout(
        "Register",
        ("public_key", "b32"),
        ("voucher", "u32"),
        ("owner", "u8"),
        ("voucher_key", "b32"),
        ("owner_signature", "b64"),
        ("voucher_signature", "b64"),
        ("signature", "b64"),
    )
    public_key: bytes
    voucher: int = 0
    owner: int = 0
    voucher_key: bytes = bytes(KEY_BYTES)
    owner_signature: bytes = NO_SIGNATURE
    voucher_signature: bytes = NO_SIGNATURE
    signature: bytes = NO_SIGNATURE

    def signing_bytes(self, chain_id: bytes) -> bytes:
        """What the device signs: everything but its signature."""
        return signing_bytes(Purpose.REGISTER, chain_id, self.encode()[:-SIGNATURE_BYTES])

    def sign(self, signer: Signer, chain_id: bytes) -> Register:
        """The record with the device's signature."""
        return replace(self, signature=signer.sign(self.signing_bytes(chain_id)))

    def verify(self, chain_id: bytes, verify: Verify) -> None:
        """Raise `ProtocolError` unless the key is usable and its holder signed [REG-1]."""
        if is_small_order(self.public_key):
            raise ProtocolError(Reason.OUT_OF_RANGE, "device key of small order")
        if not verify(self.public_key, self.signing_bytes(chain_id), self.signature):
            raise ProtocolError(Reason.BAD_SIGNATURE, "registration")


@dataclass(frozen=True, slots=True)
class ParamsChange(Fixed):
    """New RoundParams, signed by the owner threshold; unused signature places are zero."""

    LAYOUT: ClassVar[Layout] = Layout(
        "ParamsChange",
        *RoundParams.LAYOUT.fields,
        ("signers", "u8"),
        *((f"signature_{i}", "b64") for i in range(OWNERS_MAX)),
    )
    params: RoundParams
    signatures: tuple[bytes | None, ...]

    def encode(self) -> bytes:
        """The params, the bitmap of owners that signed, and four signature places."""
        signers = sum(1 << i for i, one in enumerate(self.signatures) if one is not None)
        places = [one or NO_SIGNATURE for one in self.signatures]
        places += [NO_SIGNATURE] * (OWNERS_MAX - len(places))
        return self.params.encode() + bytes([signers]) + b"".join(places)

    @classmethod
    def decode(cls, data: bytes) -> ParamsChange:
        """Inverse of `encode`; raises `DecodeError`."""
        values = cls.LAYOUT.unpack(data)
        params = RoundParams.decode(data[: RoundParams.LAYOUT.size_bytes])
        signers, places = values[-OWNERS_MAX - 1], values[-OWNERS_MAX:]
        signatures = tuple(one if signers >> i & 1 else None for i, one in enumerate(places))
        change = cls(params, signatures)
        if change.encode() != data:
            raise DecodeError("ParamsChange: signature without its bit")  # [REC-2]
        return change

    def verify(self, chain_id: bytes, owners: tuple[bytes, ...], threshold: int, verify: Verify) -> None:
        """Raise `ProtocolError` unless `threshold` different owners signed these params [PAR-2]."""
        message = signing_bytes(Purpose.PARAMS, chain_id, self.params.encode())
        signed = [i for i, one in enumerate(self.signatures) if one is not None]
        if len(signed) < threshold:
            raise ProtocolError(Reason.TOO_FEW_SIGNATURES, f"{len(signed)} owners of {threshold}")
        for i in signed:
            if i >= len(owners) or not verify(owners[i], message, self.signatures[i] or NO_SIGNATURE):
                raise ProtocolError(Reason.BAD_SIGNATURE, f"owner {i} on a change of params")


@dataclass(frozen=True, slots=True)
class OptIn(Fixed):
    """An account asks to be a candidate: `bond` goes from its balance to its stake, and `key` would sign for
    it in a seat. The account signs all of it, the key its consent; `made_at` is the height the account knew
    when it signed, and makes the wish expire [ELE-2]."""

    LAYOUT: ClassVar[Layout] = Layout(
        "OptIn",
        ("account", "u32"),
        ("key", "b32"),
        ("bond", "u64"),
        ("made_at", "u32"),
        ("consent", "b64"),
        ("signature", "b64"),
    )
    account: int
    key: bytes
    bond: int
    made_at: int
    consent: bytes
    signature: bytes = NO_SIGNATURE

    def signing_bytes(self, chain_id: bytes) -> bytes:
        """What the account signs: everything but its signature."""
        return signing_bytes(Purpose.OPT_IN, chain_id, self.encode()[:-SIGNATURE_BYTES])

    def sign(self, signer: Signer, chain_id: bytes) -> OptIn:
        """The record with the account's signature."""
        return replace(self, signature=signer.sign(self.signing_bytes(chain_id)))

    def verify(self, chain_id: bytes, public_key: bytes, verify: Verify) -> None:
        """Raise `ProtocolError` unless the account's key and the named one signed."""
        if is_small_order(self.key):
            raise ProtocolError(Reason.OUT_OF_RANGE, "validator key of small order")
        if not verify(public_key, self.signing_bytes(chain_id), self.signature):
            raise ProtocolError(Reason.BAD_SIGNATURE, f"opt-in of account {self.account}")
        if not verify(self.key, consent_bytes(chain_id, self.account), self.consent):
            raise ProtocolError(Reason.BAD_SIGNATURE, f"consent to sign for account {self.account}")


def consent_bytes(chain_id: bytes, account: int) -> bytes:
    """What a validator's key signs to agree that it may hold the seat of this account."""
    return signing_bytes(Purpose.CONSENT, chain_id, account.to_bytes(4, "big"))


@dataclass(frozen=True, slots=True)
class OptOut(Fixed):
    """An account gives up its candidacy, and its seat with the next election."""

    LAYOUT: ClassVar[Layout] = Layout("OptOut", ("account", "u32"), ("made_at", "u32"), ("signature", "b64"))
    account: int
    made_at: int
    signature: bytes = NO_SIGNATURE

    def signing_bytes(self, chain_id: bytes) -> bytes:
        """What the account signs: everything but its signature."""
        return signing_bytes(Purpose.OPT_OUT, chain_id, self.encode()[:-SIGNATURE_BYTES])

    def sign(self, signer: Signer, chain_id: bytes) -> OptOut:
        """The record with the account's signature."""
        return replace(self, signature=signer.sign(self.signing_bytes(chain_id)))

    def verify(self, chain_id: bytes, public_key: bytes, verify: Verify) -> None:
        """Raise `ProtocolError` unless the account's key signed."""
        if not verify(public_key, self.signing_bytes(chain_id), self.signature):
            raise ProtocolError(Reason.BAD_SIGNATURE, f"opt-out of account {self.account}")


Submitted = Register | ParamsChange | OptIn | OptOut | VotePair | ProposalPair
"""Records that somebody hands in as they are; updates come as offers."""
Record = UpdateHead | Submitted

_KINDS: dict[RecordTag, type[Record]] = {
    RecordTag.UPDATE: UpdateHead,
    RecordTag.REGISTER: Register,
    RecordTag.OPT_IN: OptIn,
    RecordTag.OPT_OUT: OptOut,
    RecordTag.PARAMS: ParamsChange,
    RecordTag.EVIDENCE: VotePair,
    RecordTag.EVIDENCE_PROPOSALS: ProposalPair,
}
_TAGS = {kind: tag for tag, kind in _KINDS.items()}


def tag_of(record: Record) -> RecordTag:
    """The tag of a record's kind."""
    return _TAGS[type(record)]


def encode_record(record: Record) -> bytes:
    """Tag, then struct."""
    return bytes([tag_of(record)]) + record.encode()


def decode_record(data: bytes) -> Record:
    """Inverse of `encode_record`; raises `DecodeError`."""
    return kind_of(data[:1]).decode(data[1:])


def decode_evidence(data: bytes) -> Evidence:
    """`decode_record` of evidence; raises `DecodeError`, also for any other record."""
    record = decode_record(data)
    if not isinstance(record, Evidence):
        raise DecodeError(f"{type(record).__name__} where evidence should be")
    return record


def kind_of(tag: bytes) -> type[Record]:
    """The struct behind a tag byte; raises `DecodeError` for a tag this version does not know."""
    if not tag or tag[0] not in _KINDS:
        raise DecodeError(f"unknown record tag {tag.hex() or 'missing'}")
    return _KINDS[RecordTag(tag[0])]
