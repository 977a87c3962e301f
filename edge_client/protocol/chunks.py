"""Large objects travel in pieces of 16 KiB that a receiver can check, count and ask for again.

Never one big publish: a single 400 KB message never completes on a slow uplink, because the keep-alive
clock of an MQTT server counts whole packets only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from edge_client.protocol import merkle
from edge_client.protocol.encoding import Reader, blob, uint
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.hashing import Tag, digest

CHUNK_BYTES = 16 * 1024
CHUNKS_MAX = 4096
OBJECT_BYTES_MAX = CHUNKS_MAX * CHUNK_BYTES
WINDOW_CHUNKS = 4


class ObjectKind(IntEnum):
    """What can be fetched by its root."""

    GENESIS = 1
    GRAPH = 2
    MODEL = 3
    PARAMS = 4
    BLOCK = 5
    UPDATE = 6
    STATE = 7
    SEATS = 8


def pieces(data: bytes) -> Iterator[bytes]:
    """Pieces of at most `CHUNK_BYTES`, each copied when its turn comes; one empty piece for an empty object
    [OBJ-1]."""
    return (data[i : i + CHUNK_BYTES] for i in range(0, max(1, len(data)), CHUNK_BYTES))


def split(data: bytes) -> list[bytes]:
    """All of them at once."""
    return list(pieces(data))


def chunk_count(size_bytes: int) -> int:
    """How many pieces an object of this size has."""
    return max(1, -(-size_bytes // CHUNK_BYTES))


def chunk_hash(data: bytes) -> bytes:
    """Hash of one piece."""
    return digest(Tag.CHUNK, data)


def pieces_root(tag: Tag, data: bytes) -> bytes:
    """Root of an object under its domain tag: size, then the Merkle root over its pieces [OBJ-2]."""
    return digest(tag, uint(len(data), 8), merkle.root([chunk_hash(piece) for piece in pieces(data)]))


def blob_root(data: bytes) -> bytes:
    """Root of a file known by its content: the training graph."""
    return pieces_root(Tag.BLOB, data)


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A set of chunk indices below `count`: the missing ones, or the wanted ones."""

    count: int
    bits: int

    @classmethod
    def of(cls, count: int, indices: Sequence[int]) -> Bitmap:
        """From a list of indices."""
        return cls(count, sum(1 << i for i in set(indices)))

    def indices(self) -> list[int]:
        """Ascending indices."""
        return [i for i in range(self.count) if self.bits >> i & 1]

    def encode(self) -> bytes:
        """Count (u16), then the bits, lowest index in the lowest bit of the last byte."""
        return uint(self.count, 2) + self.bits.to_bytes(-(-self.count // 8), "big")

    @classmethod
    def read(cls, reader: Reader) -> Bitmap:
        """Parse from a reader; raises `DecodeError`."""
        count = reader.count(2, CHUNKS_MAX)
        bits = int.from_bytes(reader.take(-(-count // 8)), "big")
        if bits >> count:
            raise DecodeError("Bitmap: bit set beyond its count")  # [OBJ-3]
        return cls(count, bits)


@dataclass(frozen=True, slots=True)
class Piece:
    """One chunk as published: how many there are in all, and the bytes."""

    count: int
    data: bytes

    def encode(self) -> bytes:
        """Count (u16), then a blob (u16 length)."""
        return uint(self.count, 2) + blob(self.data, 2)

    @classmethod
    def decode(cls, payload: bytes) -> Piece:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(payload, "Piece")
        count = reader.count(2, CHUNKS_MAX)
        piece = cls(count, reader.blob(2, CHUNK_BYTES))
        reader.finish()
        if not count:
            raise DecodeError("Piece: of an object without pieces")
        return piece


def piece_of(data: bytes, index: int) -> Piece | None:
    """One piece of an object, None beyond its end."""
    count = chunk_count(len(data))
    return Piece(count, data[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]) if index < count else None


class Assembly:
    """Collects the pieces of one object; pure bookkeeping, bounded by the object's own piece count."""

    def __init__(self, count: int, hashes: Sequence[bytes] | None = None) -> None:
        self.count = count
        self._hashes = hashes
        self._pieces: dict[int, bytes] = {}

    def __contains__(self, index: int) -> bool:
        return index in self._pieces

    def add(self, index: int, piece: bytes) -> None:
        """Take one piece; raises `ProtocolError` when it is not the one announced."""
        if not 0 <= index < self.count:
            raise ProtocolError(Reason.OUT_OF_RANGE, f"chunk {index} of {self.count}")
        if self._hashes is not None and chunk_hash(piece) != self._hashes[index]:
            raise ProtocolError(Reason.WRONG_HASH, f"chunk {index}")
        if index < self.count - 1 and len(piece) != CHUNK_BYTES:
            raise ProtocolError(Reason.MALFORMED, f"chunk {index} has {len(piece)} bytes")
        self._pieces[index] = piece

    @property
    def missing(self) -> list[int]:
        """Indices not here yet, ascending."""
        return [i for i in range(self.count) if i not in self._pieces]

    @property
    def complete(self) -> bool:
        """Whether every piece is here."""
        return len(self._pieces) == self.count

    def data(self) -> bytes:
        """The whole object; call only when complete."""
        return b"".join(self._pieces[i] for i in range(self.count))
