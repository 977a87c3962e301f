"""The block body: its records and the certificates that justify its parent, both committed by `body_root`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from edge_client.protocol import merkle
from edge_client.protocol.encoding import Reader, uint
from edge_client.protocol.errors import DecodeError, Reason
from edge_client.protocol.hashing import HASH_BYTES, Tag, digest
from edge_client.protocol.header import Header
from edge_client.protocol.params import REGISTRATIONS_PER_BLOCK_MAX, UPDATES_PER_BLOCK_MAX
from edge_client.protocol.records import Record, decode_record, encode_record, kind_of
from edge_client.protocol.update import UpdateHead
from edge_client.protocol.validators import VALIDATORS_MAX
from edge_client.protocol.votes import Certificate, encode_certificates, read_certificates

WISHES_PER_BLOCK_MAX = 64
EVIDENCE_PER_BLOCK_MAX = VALIDATORS_MAX
RECORDS_MAX = (
    UPDATES_PER_BLOCK_MAX + REGISTRATIONS_PER_BLOCK_MAX + 1 + WISHES_PER_BLOCK_MAX + EVIDENCE_PER_BLOCK_MAX
)
"""Updates, registrations, one change of params, opt-ins and opt-outs together, evidence."""
BODY_BYTES_MAX = 2 << 20
PATH_MAX = 16


@dataclass(frozen=True, slots=True)
class Body:
    """Records in strictly ascending byte order (so none twice), and the parent's justification."""

    records: tuple[Record, ...]
    justification: tuple[Certificate, ...]

    @classmethod
    def of(cls, records: Iterable[Record], justification: Iterable[Certificate]) -> Body:
        """Put records into their canonical order."""
        return cls(tuple(sorted(records, key=encode_record)), tuple(justification))

    @property
    def updates(self) -> tuple[UpdateHead, ...]:
        """The update heads, ascending by account."""
        return tuple(record for record in self.records if isinstance(record, UpdateHead))

    def encode(self) -> bytes:
        """Counted records (u16), then counted certificates (u16)."""
        encoded = [encode_record(record) for record in self.records]
        return uint(len(encoded), 2) + b"".join(encoded) + encode_certificates(self.justification)

    @classmethod
    def decode(cls, data: bytes) -> Body:
        """Inverse of `encode`; raises `DecodeError`, also for records out of order or repeated."""
        if len(data) > BODY_BYTES_MAX:
            raise DecodeError(f"body of {len(data)} bytes", Reason.OVERSIZE)
        reader = Reader(data, "Body")
        encoded = [_take_record(reader) for _ in range(reader.count(2, RECORDS_MAX))]
        if any(a >= b for a, b in pairwise(encoded)):  # [BOD-1]
            raise DecodeError("Body: records out of order")
        body = cls(tuple(decode_record(one) for one in encoded), read_certificates(reader))
        reader.finish()
        return body

    def root(self) -> bytes:
        """`body_root` of the header."""
        return body_root(merkle.root(self._leaves()), self.justification_hash())

    def justification_hash(self) -> bytes:
        """Hash of the certificates."""
        return digest(Tag.JUST, encode_certificates(self.justification))

    def _leaves(self) -> list[bytes]:
        return [merkle.leaf_hash(encode_record(record)) for record in self.records]

    def prover(self) -> BodyProver:
        """For many proofs of this body: it is hashed once."""
        return BodyProver(merkle.levels(self._leaves()), self.justification_hash())

    def prove(self, index: int) -> RecordProof:
        """Proof that record `index` is in this body."""
        return self.prover().prove(index)


@dataclass(frozen=True, slots=True)
class BodyProver:
    """The tree of a body's records, and the hash of its justification."""

    levels: list[list[bytes]]
    justification_hash: bytes

    def prove(self, index: int) -> RecordProof:
        """Proof that record `index` is in the body."""
        path = merkle.path(self.levels, index)
        return RecordProof(index, len(self.levels[0]), tuple(path), self.justification_hash)


@dataclass(frozen=True, slots=True)
class RecordProof:
    """That a record stands in a body: its place, the Merkle path and the justification's hash."""

    index: int
    count: int
    path: tuple[bytes, ...]
    justification_hash: bytes

    def body_root_for(self, record: Record) -> bytes | None:
        """The `body_root` proven for `record`, or None when the proof has the wrong shape."""
        leaf = merkle.leaf_hash(encode_record(record))
        records_root = merkle.root_from_path(leaf, self.index, self.count, self.path)
        return None if records_root is None else body_root(records_root, self.justification_hash)

    def encode(self) -> bytes:
        """Index and count (u16 each), counted path (u8), justification hash."""
        head = uint(self.index, 2) + uint(self.count, 2) + uint(len(self.path), 1)
        return head + b"".join(self.path) + self.justification_hash

    @classmethod
    def read(cls, reader: Reader) -> RecordProof:
        """Parse from a reader; raises `DecodeError`."""
        index, count = reader.uint(2), reader.uint(2)
        path = tuple(reader.take(HASH_BYTES) for _ in range(reader.count(1, PATH_MAX)))
        return cls(index, count, path, reader.take(HASH_BYTES))


def body_root(records_root: bytes, justification_hash: bytes) -> bytes:
    """`body_root` from its two parts [BOD-4]."""
    return digest(Tag.BODY, records_root, justification_hash)


def _take_record(reader: Reader) -> bytes:
    tag = reader.take(1)
    return tag + reader.take(kind_of(tag).LAYOUT.size_bytes)


def encode_block(header: Header, body: Body) -> bytes:
    """A whole block as it is stored and fetched: header, then body."""
    return header.encode() + body.encode()


def decode_block(data: bytes) -> tuple[Header, Body]:
    """Inverse of `encode_block`; raises `DecodeError`, also for a body that is not the header's [BLK-2]."""
    size_bytes = Header.LAYOUT.size_bytes
    header, body = Header.decode(data[:size_bytes]), Body.decode(data[size_bytes:])
    if body.root() != header.body_root:
        raise DecodeError("Block: the body is not the one the header commits to", Reason.WRONG_HASH)
    return header, body
