"""Fraud proofs: everything somebody without a chain needs to execute one block again [FRD].

Validators make final what they have executed, so a quorum that lies can make final a model nobody computed.
Whoever holds what that block names can show it to anybody. Everything here is *untrusted* until
`fraud_checks` says so: objects are bytes here, and count only under the hash that names them.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.protocol.body import BODY_BYTES_MAX
from edge_client.protocol.chunks import OBJECT_BYTES_MAX
from edge_client.protocol.encoding import Reader, blob, uint
from edge_client.protocol.errors import DecodeError, Reason
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.handoff import Handoff, encode_handoffs, read_handoffs
from edge_client.protocol.header import AppLeaves, Header
from edge_client.protocol.mmr import Peaks
from edge_client.protocol.params import UPDATES_PER_BLOCK_MAX
from edge_client.protocol.proofs import PROOF_BYTES_MAX, AncestorProof
from edge_client.protocol.votes import Finality

FRAUD_MAGIC = b"flcfraud"
FRAUD_VERSION = 1
FRAUD_BYTES_MAX = 1 << 28
"""Whoever checks holds all of it in memory. 128 updates of a model of 1.6 million parameters fit."""


@dataclass(frozen=True, slots=True)
class Before:
    """The header the block stands on, the leaves under its `app_root`, and the state they name, encoded."""

    header: Header
    app: AppLeaves
    state: bytes

    def encode(self) -> bytes:
        """Header, leaves, state behind its length (u32)."""
        return self.header.encode() + self.app.encode() + blob(self.state, 4)

    @classmethod
    def read(cls, reader: Reader) -> Before:
        """Parse from a reader; raises `DecodeError`."""
        header, app = reader.fixed(Header), reader.fixed(AppLeaves)
        return cls(header, app, reader.blob(4, OBJECT_BYTES_MAX))


@dataclass(frozen=True, slots=True)
class Above:
    """A later header that is final where the block has no certificate of its own: the block as an ancestor,
    and the peaks under that header."""

    header: Header
    peaks: Peaks
    block: AncestorProof

    def encode(self) -> bytes:
        """Header, peaks, the block's ancestor proof."""
        return self.header.encode() + self.peaks.encode() + self.block.encode()

    @classmethod
    def read(cls, reader: Reader) -> Above:
        """Parse from a reader; raises `DecodeError`."""
        return cls(reader.fixed(Header), Peaks.read(reader), AncestorProof.read(reader))


@dataclass(frozen=True, slots=True)
class Commitment:
    """What makes the block a part of the chain: handoffs to the validators that made it final, the finality
    of the block or of the header above it, and the peaks over all headers before the parent's."""

    hops: tuple[Handoff, ...]
    finality: Finality
    above: Above | None
    peaks: Peaks

    def encode(self) -> bytes:
        """Counted hops (u8), finality, flag (u8) and what is above, peaks."""
        above = b"\x00" if self.above is None else b"\x01" + self.above.encode()
        return encode_handoffs(self.hops) + self.finality.encode() + above + self.peaks.encode()

    @classmethod
    def read(cls, reader: Reader) -> Commitment:
        """Parse from a reader; raises `DecodeError`."""
        hops, finality = read_handoffs(reader), Finality.read(reader)
        above = Above.read(reader) if reader.count(1, 1) else None
        return cls(hops, finality, above, Peaks.read(reader))


@dataclass(frozen=True, slots=True)
class Objects:
    """What execution reads: the block's body, the model before it, and the bodies of its updates in the order
    of their heads. One that is missing is empty: a block that is not allowed at all needs none."""

    body: bytes
    model: bytes = b""
    updates: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        """Body and model behind their lengths (u32), counted updates (u16), each behind its length (u32)."""
        updates = b"".join(blob(one, 4) for one in self.updates)
        return blob(self.body, 4) + blob(self.model, 4) + uint(len(self.updates), 2) + updates

    @classmethod
    def read(cls, reader: Reader) -> Objects:
        """Parse from a reader; raises `DecodeError`."""
        body, model = reader.blob(4, BODY_BYTES_MAX), reader.blob(4, OBJECT_BYTES_MAX)
        count = reader.count(2, UPDATES_PER_BLOCK_MAX)
        return cls(body, model, tuple(reader.blob(4, OBJECT_BYTES_MAX) for _ in range(count)))


@dataclass(frozen=True, slots=True)
class FraudProof:
    """That the block of `header` is not what execution gives, as a file that anybody can check offline.

    `before` is None at height 1: genesis is before it. `claimed` are the leaves under the block's `app_root`,
    None when whoever wrote the file knows only that root.
    """

    genesis: Genesis
    header: Header
    place: Commitment
    before: Before | None
    claimed: AppLeaves | None
    objects: Objects

    def encode(self) -> bytes:
        """Magic, version (u8), genesis behind its length (u32), header, place, flag (u8) and what is before,
        flag (u8) and the claimed leaves, objects."""
        parts = (
            FRAUD_MAGIC + uint(FRAUD_VERSION, 1),
            blob(self.genesis.encode(), 4),
            self.header.encode(),
            self.place.encode(),
            b"\x00" if self.before is None else b"\x01" + self.before.encode(),
            b"\x00" if self.claimed is None else b"\x01" + self.claimed.encode(),
            self.objects.encode(),
        )
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> FraudProof:
        """Inverse of `encode`; raises `DecodeError`."""
        if len(data) > FRAUD_BYTES_MAX:
            raise DecodeError(f"fraud proof of more than {FRAUD_BYTES_MAX} bytes", Reason.OVERSIZE)
        if not is_fraud_proof(data):
            raise DecodeError("this is not a fraud proof")
        reader = Reader(data, "fraud proof")
        reader.take(len(FRAUD_MAGIC))
        version = reader.uint(1)
        if version != FRAUD_VERSION:
            raise DecodeError(f"fraud proof of version {version}")
        proof = cls(
            genesis=Genesis.decode(reader.blob(4, PROOF_BYTES_MAX)),
            header=reader.fixed(Header),
            place=Commitment.read(reader),
            before=Before.read(reader) if reader.count(1, 1) else None,
            claimed=reader.fixed(AppLeaves) if reader.count(1, 1) else None,
            objects=Objects.read(reader),
        )
        reader.finish()
        return proof


def is_fraud_proof(data: bytes) -> bool:
    """Whether these bytes begin like one; a proof of a fact begins otherwise."""
    return data.startswith(FRAUD_MAGIC)
