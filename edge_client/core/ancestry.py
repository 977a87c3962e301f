"""Proofs out of the device's own headers: earlier headers under its head, all in one pass."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.mmr import Peaks, Tracer
from edge_client.protocol.proofs import AncestorProof


@dataclass(frozen=True, slots=True)
class Ancestry:
    """The peaks under a head, and proofs of earlier headers against them, by height."""

    peaks: Peaks
    ancestors: Mapping[int, AncestorProof]


def trace(chain_id: bytes, linked: Iterable[bytes], head: Header, heights: Collection[int]) -> Ancestry:
    """Prove the headers of these heights (1 to the head's, without it) under the head.

    `linked` are the stored 84-byte headers from height 1 to the one before the head. Raises `ProtocolError`
    when they are not the history of the head.
    """
    tracer = Tracer(heights)
    tracer.append(chain_id)
    found: dict[int, Header] = {}
    for data in linked:
        header = Header.decode_linked(data, tracer.peaks.root())
        if header.height != tracer.peaks.size:
            raise ProtocolError(Reason.MALFORMED, f"height {header.height} instead of {tracer.peaks.size}")
        if header.height in heights:
            found[header.height] = header
        tracer.append(header.hash(chain_id))
    if tracer.peaks.size != head.height or tracer.peaks.root() != head.history_root:
        raise ProtocolError(Reason.WRONG_HASH, f"not the history of the header of height {head.height}")
    ancestors = {height: AncestorProof(found[height], tracer.proof(height).siblings) for height in heights}
    return Ancestry(tracer.peaks, ancestors)
