"""Evidence that two histories were made final: what a device that saw both keeps and publishes [ATK]."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.protocol.encoding import Reader, uint
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.header import Header
from edge_client.protocol.light import LightBlock
from edge_client.protocol.votes import Finality


@dataclass(frozen=True, slots=True)
class FinalHeader:
    """A header and what shows it final; untrusted."""

    header: Header
    finality: Finality

    @classmethod
    def of(cls, block: LightBlock) -> FinalHeader:
        """The signed part of a light block."""
        return cls(block.header, block.finality)

    def encode(self) -> bytes:
        """Header, finality."""
        return self.header.encode() + self.finality.encode()

    @classmethod
    def read(cls, reader: Reader) -> FinalHeader:
        """Parse from a reader; raises `DecodeError`."""
        return cls(reader.fixed(Header), Finality.read(reader))


@dataclass(frozen=True, slots=True)
class LightAttack:
    """Two final headers that are not of one history, which parted above the height `common`.

    With the same height they speak for themselves; otherwise who holds the chain sees that one of them is not
    on it [ATK-1].
    """

    common: int
    first: FinalHeader
    second: FinalHeader

    def encode(self) -> bytes:
        """Common height (u32), two final headers."""
        return uint(self.common, 4) + self.first.encode() + self.second.encode()

    @classmethod
    def read(cls, reader: Reader) -> LightAttack:
        """Parse from a reader; raises `DecodeError`, also for one header twice or in the other order."""
        attack = cls(reader.uint(4), FinalHeader.read(reader), FinalHeader.read(reader))
        if attack.first.header.encode() >= attack.second.header.encode():
            raise DecodeError("LightAttack: headers out of order")
        return attack

    @classmethod
    def decode(cls, data: bytes) -> LightAttack:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "LightAttack")
        attack = cls.read(reader)
        reader.finish()
        return attack

    @classmethod
    def of(cls, common: int, one: FinalHeader, other: FinalHeader) -> LightAttack:
        """In the order that is encoded."""
        first, second = sorted((one, other), key=lambda each: each.header.encode())
        return cls(common, first, second)
