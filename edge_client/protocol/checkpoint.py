"""Where a validator that lost the bodies it would have to execute may go on: a height and what its state is.

An untrusted word until `app.root()` is the `app_root` of that height's verified header [PRN-4].
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.protocol.encoding import Reader, uint
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.header import AppLeaves


@dataclass(frozen=True, slots=True)
class GetCheckpoint:
    """Ask of a validator to its peers: which is your newest checkpoint?"""

    def encode(self) -> bytes:
        """Nothing."""
        return b""

    @classmethod
    def read(cls, _reader: Reader) -> GetCheckpoint:
        """Nothing to parse."""
        return cls()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state after block `height` is kept as an object, with the models of its bases."""

    height: int
    app: AppLeaves

    def encode(self) -> bytes:
        """Height (u32), then the leaves under its header's `app_root`."""
        return uint(self.height, 4) + self.app.encode()

    @classmethod
    def decode(cls, data: bytes) -> Checkpoint:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "Checkpoint")
        checkpoint = cls(reader.uint(4), reader.fixed(AppLeaves))
        reader.finish()
        if not checkpoint.height:
            raise DecodeError("Checkpoint: height 0 is that of genesis")
        return checkpoint
