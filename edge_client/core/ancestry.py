"""Proofs out of the device's own headers: earlier headers under its head, all in one pass."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from edge_client.core.segments import Segment
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.mmr import Peaks, Tracer
from edge_client.protocol.mmr_extension import extend
from edge_client.protocol.proofs import AncestorProof


@dataclass(frozen=True, slots=True)
class Ancestry:
    """The peaks under a head, and proofs of earlier headers against them, by height."""

    peaks: Peaks
    ancestors: Mapping[int, AncestorProof]


def trace(chain_id: bytes, segments: Iterable[Segment], head: Header, heights: Collection[int]) -> Ancestry:
    """Prove the headers of these heights (1 to the head's, without it) under the head.

    `segments` are the stored headers up to the one before the head. Raises `ProtocolError` when they are not
    the history of the head, or one of the heights lies in a gap.
    """
    tracer, found = Tracer(heights), dict[int, Header]()
    tracer.append(chain_id)
    for segment in segments:
        if segment.extension:
            tracer = _across(chain_id, tracer, segment, found)
        for data in segment.linked:
            header = Header.decode_linked(data, tracer.peaks.root())
            if header.height != tracer.peaks.size:
                detail = f"height {header.height} instead of {tracer.peaks.size}"
                raise ProtocolError(Reason.MALFORMED, detail)
            if header.height in heights:
                found[header.height] = header
            tracer.append(header.hash(chain_id))
    if tracer.peaks.size != head.height or tracer.peaks.root() != head.history_root:
        raise ProtocolError(Reason.WRONG_HASH, f"not the history of the header of height {head.height}")
    missing = [height for height in heights if height not in found]
    if missing:
        raise ProtocolError(Reason.MALFORMED, f"no header of height {min(missing)}: it was jumped over")
    ancestors = {height: AncestorProof(found[height], tracer.proof(height).siblings) for height in heights}
    return Ancestry(tracer.peaks, ancestors)


def _across(chain_id: bytes, tracer: Tracer, segment: Segment, found: Mapping[int, Header]) -> Tracer:
    """Go on after a gap: the peaks as the extension leaves them, and what was traced led up to them."""
    extended = extend(tracer.peaks, segment.first, segment.extension)
    siblings = {
        height: extended.siblings(header.hash(chain_id), height, tracer.siblings(height))
        for height, header in found.items()
    }
    return Tracer(tracer.indices, extended.peaks, siblings)
