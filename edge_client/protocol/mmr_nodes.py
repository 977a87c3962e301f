"""All nodes of a Merkle mountain range, each at a position that never changes: what a validator stores so
that any earlier header is proven with as many reads as the mountain is high.

Positions count the nodes in the order in which appending makes them: a leaf, then every parent it completes.
A lookup answers None for a node it does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edge_client.protocol.mmr import MmrProof, Peaks, mountain_of, parent_hash

NodeAt = Callable[[int], bytes | None]
"""Position -> hash of the node."""


def node_count(leaves: int) -> int:
    """Nodes of a range of so many leaves; the position of the next leaf."""
    return 2 * leaves - leaves.bit_count()


def leaf_count(nodes: int) -> int:
    """How many leaves a range of so many nodes has: inverse of `node_count`."""
    leaves = 0
    for height in reversed(range(nodes.bit_length())):
        mountain = (2 << height) - 1
        if nodes >= mountain:
            nodes -= mountain
            leaves += 1 << height
    return leaves


def node_position(height: int, index: int) -> int:
    """Position of the node over leaves `index << height` to `((index + 1) << height) - 1`."""
    return node_count(((index + 1) << height) - 1) + height


def appended(leaves: int, leaf: bytes, node_at: NodeAt) -> list[bytes]:
    """The nodes that a leaf adds to a range of `leaves` leaves; their positions go on from
    `node_count(leaves)`. Raises `LookupError` when a peak of the range is not stored."""
    added = [leaf]
    for height in range((leaves + 1).bit_length()):
        if not leaves >> height & 1:
            break
        left = node_at(node_position(height, (leaves >> height) - 1))
        if left is None:
            raise LookupError(f"no node of height {height} before leaf {leaves}")
        added.append(parent_hash(left, added[-1]))
    return added


def peaks_from(leaves: int, node_at: NodeAt) -> Peaks | None:
    """The peaks of a range of so many leaves, also of one that has grown since; None if one is missing."""
    heights = [height for height in reversed(range(leaves.bit_length())) if leaves >> height & 1]
    hashes = _all(node_at, (node_position(height, (leaves >> height) - 1) for height in heights))
    return None if hashes is None else Peaks(leaves, hashes)


def siblings_from(leaves: int, index: int, node_at: NodeAt) -> tuple[bytes, ...] | None:
    """The siblings of a leaf inside its mountain of a range of so many leaves; None for a leaf that is not in
    the range, and when one is missing."""
    mountain = mountain_of(leaves, index)
    if mountain is None:
        return None
    positions = (node_position(height, (index >> height) ^ 1) for height in range(mountain[2]))
    return _all(node_at, positions)


def prove_from(leaves: int, index: int, node_at: NodeAt) -> MmrProof | None:
    """Proof of a leaf in a range of so many leaves; None like `siblings_from`."""
    siblings, peaks = siblings_from(leaves, index, node_at), peaks_from(leaves, node_at)
    return None if siblings is None or peaks is None else MmrProof(index, siblings, peaks)


def _all(node_at: NodeAt, positions: Iterable[int]) -> tuple[bytes, ...] | None:
    found = []
    for position in positions:
        node = node_at(position)
        if node is None:
            return None
        found.append(node)
    return tuple(found)
