"""[ENC-1] to [ENC-4]: one encoding per value, and nothing but `DecodeError` for the rest."""

from __future__ import annotations

import struct
from copy import copy
from dataclasses import FrozenInstanceError, dataclass, replace
from itertools import product
from typing import ClassVar

import pytest

from edge_client.protocol.encoding import Fixed, Layout, Reader, blob, uint
from edge_client.protocol.errors import DecodeError
from tests.protocol_examples import Example, examples


@dataclass(frozen=True, slots=True)
class Pair(Fixed):
    LAYOUT: ClassVar[Layout] = Layout("Pair", ("small", "u8"), ("raw", "b32"))
    small: int
    raw: bytes


def reads_back_identically(example: Example, data: bytes) -> bool:
    """Whether `data` decodes; if so it must be the one encoding of what came out."""
    try:
        value = example.decode(data)
    except DecodeError:
        return False
    assert again(example, value) == data
    return True


def again(example: Example, value: object) -> bytes:
    """Encode as the example was encoded: alone, or behind the byte that names its kind."""
    encoded: bytes = encode(value)
    return example.data[: len(example.data) - len(encode(example.value))] + encoded


def encode(value: object) -> bytes:
    if isinstance(value, tuple):  # a block
        return b"".join(encode(part) for part in value)
    return value.encode()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", examples())
def test_decode_is_the_inverse_of_encode(name: str) -> None:
    example = examples()[name]
    assert example.decode(example.data) == example.value
    assert reads_back_identically(example, example.data)


def test_a_decoded_record_is_as_frozen_as_a_constructed_one() -> None:
    made, read = Pair(7, bytes(32)), Pair.decode(b"\x07" + bytes(32))
    assert type(read) is Pair
    assert (read, hash(read), repr(read)) == (made, hash(made), repr(made))
    with pytest.raises(FrozenInstanceError):
        read.small = 8  # type: ignore[misc]
    assert replace(read, small=8) == copy(Pair(8, bytes(32)))
    assert not hasattr(read, "__dict__")


@pytest.mark.parametrize("name", examples())
def test_every_truncation_and_extension_is_refused(name: str) -> None:
    example = examples()[name]
    shorter = [example.data[:size] for size in range(len(example.data))]
    assert [len(data) for data in shorter if reads_back_identically(example, data)] == []
    longer = [example.data + tail for tail in (b"\x00", b"\xff", example.data)]
    assert [len(data) for data in longer if reads_back_identically(example, data)] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", examples())
def test_every_flipped_byte_is_refused_or_another_value(name: str) -> None:
    example = examples()[name]
    for at, flip in product(range(len(example.data)), (0x01, 0x80, 0xFF)):
        data = bytearray(example.data)
        data[at] ^= flip
        if reads_back_identically(example, bytes(data)):
            assert example.decode(bytes(data)) != example.value


def test_structs_are_big_endian_without_padding() -> None:
    assert Pair(7, b"r" * 32).encode() == b"\x07" + b"r" * 32
    assert Pair.LAYOUT.size_bytes == 33


@pytest.mark.parametrize(
    ("small", "raw"), [(256, bytes(32)), (-1, bytes(32)), (0, bytes(31)), (0, bytes(33))]
)
def test_our_own_mistakes_crash(small: int, raw: bytes) -> None:
    with pytest.raises((ValueError, struct.error)):
        Pair(small, raw).encode()


def test_a_reader_stops_at_the_end() -> None:
    reader = Reader(b"\x00\x02ab\x05", "thing")
    assert reader.blob(2, 2) == b"ab"
    with pytest.raises(DecodeError, match="thing: 1 trailing"):
        reader.finish()
    assert reader.uint(1) == 5
    reader.finish()
    with pytest.raises(DecodeError, match="thing: truncated"):
        reader.take(1)


def test_counts_are_bounded_before_anything_is_read() -> None:
    with pytest.raises(DecodeError, match="5 entries, at most 4"):
        Reader(b"\x05", "list").count(1, 4)
    with pytest.raises(DecodeError, match="65535 entries"):
        Reader(b"\xff\xff", "list").blob(2, 65534)


def test_integers_and_blobs_have_a_fixed_prefix() -> None:
    assert uint(258, 4) == b"\x00\x00\x01\x02"
    assert blob(b"ab", 2) == b"\x00\x02ab"
    with pytest.raises(OverflowError):
        uint(256, 1)
