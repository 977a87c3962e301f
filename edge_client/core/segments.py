"""What a device stores of a chain: stretches of headers, and single ones out of the gaps between them.

A device that jumped or pruned has gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.mmr import MmrProof, Peaks, mountain_of
from edge_client.protocol.proofs import AncestorProof


@dataclass(frozen=True, slots=True)
class Segment:
    """Headers (84 bytes each) of consecutive heights from `first` on. `extension` leads from the range of
    headers before the gap to the range under `first`; the stretch that begins at height 1 has none."""

    first: int
    extension: tuple[bytes, ...]
    linked: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class History:
    """Stretches in ascending order, each to be read before the next. `shown` are headers in the gaps, by
    height, each with its siblings in some range that reaches at least to the end of its gap."""

    segments: Iterable[Segment]
    shown: Mapping[int, AncestorProof] = field(default_factory=dict)

    def shown_between(self, first: int, end: int) -> list[AncestorProof]:
        """Those of the heights from `first` to before `end`."""
        return [one for height, one in self.shown.items() if first <= height < end]


def siblings_under(chain_id: bytes, shown: AncestorProof, peaks: Peaks) -> tuple[bytes, ...]:
    """The siblings of a shown header in this range, which may end before the one it was shown in: mountains
    only grow, so they are the first of those. Raises `ProtocolError` when they do not lead to a peak."""
    height = shown.header.height
    mountain = mountain_of(peaks.size, height)
    siblings = shown.siblings[: mountain[2]] if mountain else ()
    if MmrProof(height, siblings, peaks).root_for(shown.header.hash(chain_id)) != peaks.root():
        raise ProtocolError(Reason.WRONG_HASH, f"header {height} does not stand in the gap it is shown in")
    return siblings
