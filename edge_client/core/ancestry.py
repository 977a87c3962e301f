"""Proofs out of the device's own headers: earlier headers under its head, all in one pass."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edge_client.core.segments import History, Segment, siblings_under
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.mmr import Peaks, Tracer
from edge_client.protocol.mmr_extension import extend
from edge_client.protocol.proofs import AncestorProof


class NotHeldError(Exception):
    """The stored chain holds, but a header that is asked for is not in it; the text is for the owner."""


@dataclass(frozen=True, slots=True)
class Ancestry:
    """The peaks under a head, and proofs of earlier headers against them, by height. `start` are the siblings
    of leaf 0, the chain id."""

    peaks: Peaks
    ancestors: Mapping[int, AncestorProof]
    start: tuple[bytes, ...]

    def extension(self) -> tuple[bytes, ...]:
        """Leads from the chain id alone to the whole range [MMR-5]: what a gap from height 1 on needs."""
        return (*self.start, *self.peaks.hashes[1:])


def trace(chain_id: bytes, history: History, head: Header, heights: Collection[int]) -> Ancestry:
    """Prove the headers of these heights (1 to the head's, without it) under the head.

    `history` reaches up to the header before the head. Raises `ProtocolError` when it is not the history of
    the head, and `NotHeldError` when one of the heights lies in a gap and is not shown.
    """
    walk = _Walk(chain_id, history, heights)
    peaks = walk.run()
    if peaks.size != head.height or peaks.root() != head.history_root:
        raise ProtocolError(Reason.WRONG_HASH, f"not the history of the header of height {head.height}")
    return walk.ancestry()


def reach(chain_id: bytes, history: History, heights: Collection[int]) -> Ancestry:
    """Prove the headers of these heights in the range of all that `history` holds, of whatever head that is.
    Raises like `trace`."""
    walk = _Walk(chain_id, history, heights)
    walk.run()
    return walk.ancestry()


class _Walk:
    """One pass over a history: the range so far, and the headers asked for that were met."""

    def __init__(self, chain_id: bytes, history: History, heights: Collection[int]) -> None:
        self._chain_id = chain_id
        self._history = history
        self._heights = frozenset(heights)
        self._tracer = Tracer((0, *self._heights))
        self._tracer.append(chain_id)
        self._found: dict[int, Header] = {}

    def run(self) -> Peaks:
        """Go from genesis to the end; the peaks there."""
        for segment in self._history.segments:
            if segment.extension:
                self._cross(segment)
            for data in segment.linked:
                self._link(data)
        return self._tracer.peaks

    def ancestry(self) -> Ancestry:
        """What was met; raises `NotHeldError` when that is not all."""
        found, tracer = self._found, self._tracer
        missing = self._heights - found.keys()
        if missing:
            detail = f"header {min(missing)} is not stored: it was jumped over, or pruned"
            raise NotHeldError(detail)
        ancestors = {at: AncestorProof(found[at], tracer.proof(at).siblings) for at in self._heights}
        return Ancestry(tracer.peaks, ancestors, tracer.siblings(0))

    def _cross(self, segment: Segment) -> None:
        """Go over a gap: the peaks as the extension leaves them, what was met before, what is shown in it."""
        start, tracer = self._tracer.peaks.size, self._tracer
        extended = extend(tracer.peaks, segment.first, segment.extension)
        leaves = {0: self._chain_id, **{at: one.hash(self._chain_id) for at, one in self._found.items()}}
        siblings = {at: extended.siblings(leaf, at, tracer.siblings(at)) for at, leaf in leaves.items()}
        for shown in self._history.shown_between(start, segment.first):
            if shown.header.height in self._heights:
                self._found[shown.header.height] = shown.header
                siblings[shown.header.height] = siblings_under(self._chain_id, shown, extended.peaks)
        self._tracer = Tracer(tracer.indices, extended.peaks, siblings)

    def _link(self, data: bytes) -> None:
        """Take the next header."""
        tracer = self._tracer
        header = Header.decode_linked(data, tracer.peaks.root())
        if header.height != tracer.peaks.size:
            detail = f"height {header.height} instead of {tracer.peaks.size}"
            raise ProtocolError(Reason.MALFORMED, detail)
        if header.height in self._heights:
            self._found[header.height] = header
        tracer.append(header.hash(self._chain_id))
