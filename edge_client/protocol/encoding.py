"""Canonical bytes: big-endian fixed structs, one encoding per value, so decode-then-encode is the identity.

`Fixed` turns a frozen dataclass with a `LAYOUT` into such a struct; `Reader` parses the few counted lists.
The layouts are the source of the tables in docs/PROTOCOL.md (a test compares them).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import make_dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from edge_client.protocol.errors import DecodeError

if TYPE_CHECKING:
    from typing_extensions import Self

_CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "b32": "32s", "b64": "64s", "b116": "116s"}


class Layout:
    """Field names and kinds of one fixed struct, and its compiled packer.

    Kinds: u8 u16 u32 u64 (unsigned, big-endian), b32 b64 b116 (raw bytes of that length) [ENC-1].
    """

    def __init__(self, name: str, *fields: tuple[str, str]) -> None:
        self.name = name
        self.fields = fields
        self.names = tuple(field for field, _ in fields)
        self.packer = struct.Struct(">" + "".join(_CODES[kind] for _, kind in fields))
        self.size_bytes = self.packer.size
        self._values = attrgetter(*self.names)
        self._raw = tuple((i, int(kind[1:])) for i, (_, kind) in enumerate(fields) if kind[0] == "b")
        self.plain: Callable[..., Any] | None = None
        """A class with these fields as slots that is not frozen, once one was needed: `Fixed.of_fields`."""

    def make_plain(self, base: type) -> Callable[..., Any]:
        """Make `plain`. Same base, same slots as a frozen class: its objects can become that class's."""
        self.plain = make_dataclass(
            f"Plain{self.name}", self.names, bases=(base,), slots=True, eq=False, repr=False
        )
        return self.plain

    def without(self, *names: str) -> Layout:
        """The same fields but these: for who can compute those from what it holds."""
        return Layout(f"part of {self.name}", *(one for one in self.fields if one[0] not in names))

    def fields_of(self, data: bytes) -> dict[str, Any]:
        """Field values by name; raises `DecodeError` on any other length."""
        return dict(zip(self.names, self.unpack(data), strict=True))

    def pack(self, record: object) -> bytes:
        """Bytes of `record`; a wrong length or range is our own bug: `ValueError` or `struct.error`."""
        values = self._values(record)
        for i, size_bytes in self._raw:
            if len(values[i]) != size_bytes:
                raise ValueError(f"{self.name}.{self.names[i]} must be {size_bytes} bytes")
        return self.packer.pack(*values)

    def unpack(self, data: bytes) -> tuple[Any, ...]:
        """Field values of exactly one struct; raises `DecodeError` on any other length."""
        if len(data) != self.size_bytes:
            raise DecodeError(f"{self.name}: {len(data)} bytes instead of {self.size_bytes}")
        return self.packer.unpack(data)


F = TypeVar("F", bound="Fixed")


class Fixed:
    """Base of frozen dataclasses whose constructor takes exactly the fields of `LAYOUT`, in order."""

    __slots__ = ()
    LAYOUT: ClassVar[Layout]

    def encode(self) -> bytes:
        """The canonical bytes."""
        return self.LAYOUT.pack(self)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse exactly one struct; raises `DecodeError`."""
        return cls.of_fields(cls.LAYOUT.unpack(data))

    @classmethod
    def of_fields(cls, values: tuple[Any, ...]) -> Self:
        """The record of unpacked values, checked; raises `DecodeError`.

        The constructor of a frozen class sets each field by way of `object`, which takes five times as long.
        So the fields are set while the object is of a plain class with the same slots, and nobody has it yet.
        """
        layout = cls.LAYOUT
        record = (layout.plain or layout.make_plain(Fixed))(*values)
        record.__class__ = cls
        record.check()
        return cast("Self", record)

    def check(self) -> None:
        """Refuse values that fit the layout but not the meaning; raises `DecodeError` [ENC-4]."""


class Reader:
    """Takes fields off the front of a byte string; every short read is a `DecodeError`."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._at = 0
        self._name = name

    def take(self, size_bytes: int) -> bytes:
        """The next `size_bytes` bytes."""
        end = self._at + size_bytes
        if end > len(self._data):
            raise DecodeError(f"{self._name}: truncated at byte {len(self._data)}")
        chunk = self._data[self._at : end]
        self._at = end
        return chunk

    def uint(self, size_bytes: int) -> int:
        """The next big-endian unsigned integer."""
        return int.from_bytes(self.take(size_bytes), "big")

    def fixed(self, kind: type[F]) -> F:
        """The next fixed struct."""
        at = self._at
        end = at + kind.LAYOUT.size_bytes
        if end > len(self._data):
            raise DecodeError(f"{self._name}: truncated at byte {len(self._data)}")
        self._at = end
        return kind.of_fields(kind.LAYOUT.packer.unpack_from(self._data, at))

    def count(self, size_bytes: int, count_max: int) -> int:
        """The next list length, refused above `count_max` before anything is allocated [ENC-3]."""
        count = self.uint(size_bytes)
        if count > count_max:
            raise DecodeError(f"{self._name}: {count} entries, at most {count_max}")
        return count

    def blob(self, size_bytes: int, length_max: int) -> bytes:
        """The next byte string with a length prefix of `size_bytes` bytes."""
        return self.take(self.count(size_bytes, length_max))

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data) - self._at)

    def finish(self) -> None:
        """Refuse trailing bytes: they would be a second encoding of the same value [ENC-2]."""
        if self._at != len(self._data):
            raise DecodeError(f"{self._name}: {len(self._data) - self._at} trailing bytes")


def uint(value: int, size_bytes: int) -> bytes:
    """Big-endian unsigned integer of a fixed width."""
    return value.to_bytes(size_bytes, "big")


def blob(data: bytes, size_bytes: int) -> bytes:
    """A byte string behind its length."""
    return uint(len(data), size_bytes) + data
