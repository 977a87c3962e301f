"""What a device needs of a block: the light block, and runs of headers hash-linked under one certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_client.protocol.encoding import Reader, uint
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.header import LINKED_BYTES, AppLeaves, Header, StateLeaves, header_hash, unlinked
from edge_client.protocol.mmr import Growing, Peaks
from edge_client.protocol.state import Learning
from edge_client.protocol.votes import Finality

RUN_HEADERS_MAX = 1024
LIGHT_BLOCK_BYTES_MAX = 1500


@dataclass(frozen=True, slots=True)
class LightBlock:
    """A header with all that shows it is final and what it says: *untrusted* until verified [LGT-2]."""

    header: Header
    finality: Finality
    app: AppLeaves
    state: StateLeaves
    learning: Learning

    def encode(self) -> bytes:
        """The five structs one after the other."""
        head = self.header.encode() + self.app.encode() + self.state.encode() + self.learning.encode()
        return head + self.finality.encode()

    @classmethod
    def decode(cls, data: bytes) -> LightBlock:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "LightBlock")
        header, app = reader.fixed(Header), reader.fixed(AppLeaves)
        state, learning = reader.fixed(StateLeaves), reader.fixed(Learning)
        block = cls(header, Finality.read(reader), app, state, learning)
        reader.finish()
        return block


@dataclass(frozen=True, slots=True)
class HeaderRun:
    """Headers of consecutive heights without their history roots; `finality` is of the last [LGT-3]."""

    first_height: int
    linked: tuple[bytes, ...]
    finality: Finality

    def encode(self) -> bytes:
        """First height (u32), counted headers (u16, 84 bytes each), finality."""
        head = uint(self.first_height, 4) + uint(len(self.linked), 2)
        return head + b"".join(self.linked) + self.finality.encode()

    @classmethod
    def read(cls, reader: Reader) -> HeaderRun:
        """Parse from a reader; raises `DecodeError`."""
        first, count = reader.uint(4), reader.count(2, RUN_HEADERS_MAX)
        data = reader.take(count * LINKED_BYTES)
        linked = tuple(data[at : at + LINKED_BYTES] for at in range(0, len(data), LINKED_BYTES))
        return cls(first, linked, Finality.read(reader))

    @classmethod
    def decode(cls, data: bytes) -> HeaderRun:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "HeaderRun")
        run = cls.read(reader)
        reader.finish()
        return run


def link(chain_id: bytes, peaks: Peaks, linked: Sequence[bytes]) -> tuple[list[Header], Peaks]:
    """Rebuild a run of headers on top of `peaks` (which hold all earlier ones) and the peaks after it.

    Nothing is proven by this alone: the last header's hash must carry a certificate. Then every header of
    the run is final, because that hash covers the history root over all of them. Raises `ProtocolError`
    when heights do not follow one another.
    """
    growing, headers = Growing(peaks), []
    for data in linked:
        encoded = unlinked(data, growing.root())
        header = Header.decode(encoded)
        if header.height != growing.size:
            raise ProtocolError(Reason.MALFORMED, f"height {header.height} instead of {growing.size}")
        headers.append(header)
        growing.append(header_hash(chain_id, encoded))
    return headers, growing.peaks()
