"""The header an owner vouches for, shown to a device that slept longer than its trust lasts [VCH].

The device knows the header's hash, so no signature is needed: what the hash covers is true. It covers all of
history, and in it the end of the epoch before, which names the validators of this one.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.protocol.encoding import Reader, uint
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.handoff import Handoff
from edge_client.protocol.hashing import HASH_BYTES
from edge_client.protocol.header import Header
from edge_client.protocol.mmr_extension import EXTENSION_MAX
from edge_client.protocol.proofs import SIBLINGS_MAX


@dataclass(frozen=True, slots=True)
class GetVouched:
    """Ask: the header of `height`, for a device that has linked the headers up to `above`."""

    above: int
    height: int

    def encode(self) -> bytes:
        """Two heights (u32)."""
        return uint(self.above, 4) + uint(self.height, 4)

    @classmethod
    def read(cls, reader: Reader) -> GetVouched:
        """Parse from a reader; raises `DecodeError`."""
        above, height = reader.uint(4), reader.uint(4)
        if above >= height:
            raise DecodeError(f"GetVouched: {height} above {above}")
        return cls(above, height)


@dataclass(frozen=True, slots=True)
class LastEnd:
    """How the epoch before that of a header ended, and the siblings of that block's hash below the first
    node of the range under the header that the device knows."""

    handoff: Handoff
    below: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Handoff, counted siblings (u8)."""
        return self.handoff.encode() + uint(len(self.below), 1) + b"".join(self.below)

    @classmethod
    def read(cls, reader: Reader) -> LastEnd:
        """Parse from a reader; raises `DecodeError`."""
        handoff = Handoff.read(reader)
        return cls(handoff, tuple(reader.take(HASH_BYTES) for _ in range(reader.count(1, SIBLINGS_MAX))))


@dataclass(frozen=True, slots=True)
class Vouched:
    """Answer to `GetVouched`: the header, the extension of the asker's range to the one under it, and the
    end of the epoch before its own, if there is one."""

    header: Header
    extension: tuple[bytes, ...]
    end: LastEnd | None

    def encode(self) -> bytes:
        """Header, counted extension (u8), flag (u8) and end."""
        extension = uint(len(self.extension), 1) + b"".join(self.extension)
        end = b"\x00" if self.end is None else b"\x01" + self.end.encode()
        return self.header.encode() + extension + end

    @classmethod
    def read(cls, reader: Reader) -> Vouched:
        """Parse from a reader; raises `DecodeError`."""
        header = reader.fixed(Header)
        extension = tuple(reader.take(HASH_BYTES) for _ in range(reader.count(1, EXTENSION_MAX)))
        return cls(header, extension, LastEnd.read(reader) if reader.count(1, 1) else None)
