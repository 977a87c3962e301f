"""[OBJ-1] to [OBJ-5]: cutting, counting, asking for and putting together pieces."""

from __future__ import annotations

import pytest

from edge_client.protocol.chunks import (
    CHUNK_BYTES,
    CHUNKS_MAX,
    Assembly,
    Bitmap,
    Piece,
    blob_root,
    chunk_count,
    chunk_hash,
    pieces_root,
    split,
)
from edge_client.protocol.encoding import Reader, uint
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.hashing import Tag
from edge_client.protocol.model import model_root


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        (0, [0]),
        (1, [1]),
        (CHUNK_BYTES, [CHUNK_BYTES]),
        (CHUNK_BYTES + 1, [CHUNK_BYTES, 1]),
        (3 * CHUNK_BYTES, [CHUNK_BYTES] * 3),
    ],
)
def test_objects_are_cut_every_16_kib(size: int, sizes: list[int]) -> None:
    assert [len(piece) for piece in split(bytes(size))] == sizes
    assert chunk_count(size) == len(sizes)


def test_roots_depend_on_kind_size_and_bytes() -> None:
    data = bytes(40_000)
    roots = {
        blob_root(data),
        model_root(data),
        blob_root(data + b"\x00"),
        blob_root(b"\x01" + data[1:]),
        blob_root(data[:CHUNK_BYTES]),
    }
    assert len(roots) == 5
    assert blob_root(data) == pieces_root(Tag.BLOB, data)


@pytest.mark.parametrize(
    ("count", "indices", "data"),
    [
        (0, [], "0000"),
        (1, [0], "000101"),
        (8, [0, 7], "000881"),
        (9, [8], "00090100"),
        (4, [2, 2], "000404"),
    ],
)
def test_bitmap_layout(count: int, indices: list[int], data: str) -> None:
    bitmap = Bitmap.of(count, indices)
    assert bitmap.encode().hex() == data
    assert Bitmap.read(Reader(bytes.fromhex(data), "bitmap")) == bitmap
    assert bitmap.indices() == sorted(set(indices))


@pytest.mark.parametrize("data", ["0001ff", "0008", "ffff", "1001" + "00" * 513, "000902ff"])
def test_hostile_bitmaps_are_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        Bitmap.read(Reader(bytes.fromhex(data), "bitmap"))


@pytest.mark.parametrize(
    "payload",
    [
        uint(0, 2) + uint(0, 2),
        uint(CHUNKS_MAX + 1, 2) + uint(0, 2),
        uint(1, 2) + uint(CHUNK_BYTES + 1, 2) + bytes(CHUNK_BYTES + 1),
        uint(1, 2) + uint(4, 2) + b"abc",
        b"",
    ],
    ids=["no pieces", "too many pieces", "too long", "truncated", "nothing"],
)
def test_hostile_pieces_are_refused(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        Piece.decode(payload)


def test_pieces_come_in_any_order_and_more_than_once() -> None:
    data = bytes(range(256)) * 200
    pieces = split(data)
    assembly = Assembly(len(pieces), [chunk_hash(piece) for piece in pieces])
    assert assembly.missing == [0, 1, 2, 3]
    for index in (3, 1, 1, 0):
        assembly.add(index, pieces[index])
    assert (assembly.missing, assembly.complete) == ([2], False)
    assembly.add(2, pieces[2])
    assert assembly.complete
    assert assembly.data() == data


@pytest.mark.parametrize(
    ("index", "piece", "reason"),
    [
        (2, b"end", Reason.OUT_OF_RANGE),
        (-1, b"end", Reason.OUT_OF_RANGE),
        (1, b"eNd", Reason.WRONG_HASH),
        (0, b"end", Reason.WRONG_HASH),
    ],
)
def test_pieces_that_were_not_announced_are_refused(index: int, piece: bytes, reason: Reason) -> None:
    pieces = split(bytes(CHUNK_BYTES) + b"end")
    assembly = Assembly(2, [chunk_hash(one) for one in pieces])
    with pytest.raises(ProtocolError) as caught:
        assembly.add(index, piece)
    assert caught.value.reason == reason
    assert assembly.missing == [0, 1]


def test_only_the_last_piece_may_be_short() -> None:
    assembly = Assembly(2)
    with pytest.raises(ProtocolError, match="chunk 0 has 3 bytes"):
        assembly.add(0, b"abc")
    assembly.add(1, b"abc")
    assert assembly.missing == [0]
