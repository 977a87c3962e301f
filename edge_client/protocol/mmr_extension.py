"""From the peaks of a range to those of a later size, with the fewest hashes: how who slept gets on.

The *extension* of a range from `size` to `total` leaves is the largest perfect trees that cover the new
leaves, from the left, and nothing else: at most two for each bit. Who holds the peaks of `size` computes the
peaks of `total` from it, so one hash of them shows that the longer range begins with the shorter [MMR-5].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.mmr import Peaks, mountain_of, parent_hash
from edge_client.protocol.mmr_nodes import NodeAt, node_position

EXTENSION_MAX = 64
"""Twice the bits of a height."""

Place = tuple[int, int]
"""A node: height k and index i stand for the leaves from i * 2**k on."""


def extension_places(size: int, total: int) -> Iterator[Place]:
    """The trees of an extension, from the left."""
    at = size
    while at < total:
        height = (total - at).bit_length() - 1
        if at:
            height = min(height, (at & -at).bit_length() - 1)
        yield height, at >> height
        at += 1 << height


def peak_places(size: int) -> list[Place]:
    """The mountains of a range, highest first."""
    heights = [height for height in reversed(range(size.bit_length())) if size >> height & 1]
    return [(height, (size >> height) - 1) for height in heights]


def extension_from(size: int, total: int, node_at: NodeAt) -> tuple[bytes, ...] | None:
    """The hashes of an extension out of stored nodes; None when one is missing."""
    return _all(node_at, extension_places(size, total))


def siblings_below(size: int, total: int, index: int, node_at: NodeAt) -> tuple[bytes, ...] | None:
    """The siblings of a leaf up to the peak of `size` or the tree of the extension it stands in: the way
    from there is known to who extends. None beyond the range, and when one is missing."""
    known = [*peak_places(size), *extension_places(size, total)]
    over = next((height for height, at in known if index >> height == at), None)
    if over is None:
        return None
    return _all(node_at, ((height, (index >> height) ^ 1) for height in range(over)))


def _all(node_at: NodeAt, places: Iterator[Place]) -> tuple[bytes, ...] | None:
    found = []
    for place in places:
        node = node_at(node_position(*place))
        if node is None:
            return None
        found.append(node)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Extended:
    """The peaks after an extension, and every node seen on the way to them."""

    peaks: Peaks
    nodes: Mapping[Place, bytes]

    def siblings(self, leaf: bytes, index: int, below: Sequence[bytes]) -> tuple[bytes, ...]:
        """All siblings of a leaf inside its mountain, from those below the first known node above it; raises
        `ProtocolError` when they do not lead there."""
        mountain = mountain_of(self.peaks.size, index)
        over = next((k for k in range(len(below) + 1) if (k, index >> k) in self.nodes), None)
        if mountain is None or over != len(below):
            raise ProtocolError(Reason.MALFORMED, f"{len(below)} siblings of leaf {index}")
        node = leaf
        for height, sibling in enumerate(below):
            node = parent_hash(sibling, node) if index >> height & 1 else parent_hash(node, sibling)
        if node != self.nodes[over, index >> over]:
            raise ProtocolError(Reason.WRONG_HASH, f"leaf {index} of the range")
        above = (self.nodes[height, (index >> height) ^ 1] for height in range(over, mountain[2]))
        return (*below, *above)


def extend(peaks: Peaks, total: int, hashes: Sequence[bytes]) -> Extended:
    """The range of `total` leaves that begins with that of `peaks`; raises `ProtocolError` when the number of
    hashes is not that of the extension. Nothing is proven until the root of the new peaks is."""
    places = list(extension_places(peaks.size, total))
    if total < peaks.size or len(places) != len(hashes):
        detail = f"{len(hashes)} hashes to extend {peaks.size} leaves to {total}"
        raise ProtocolError(Reason.MALFORMED, detail)
    stack = list(zip(peak_places(peaks.size), peaks.hashes, strict=True))
    nodes = dict(stack)
    for place, node in zip(places, hashes, strict=True):
        nodes[place] = node
        stack.append((place, node))
        while len(stack) > 1 and stack[-1][0][0] == stack[-2][0][0]:
            (height, right), above = stack[-1][0], parent_hash(stack[-2][1], stack[-1][1])
            stack[-2:] = [((height + 1, right >> 1), above)]
            nodes[height + 1, right >> 1] = above
    return Extended(Peaks(total, tuple(node for _, node in stack)), nodes)
