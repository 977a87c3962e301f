"""Merkle trees over a counted list of leaves.

Leaf and inner nodes have different tags and the root commits to the number of leaves, so neither a node nor
a duplicated tail can pass for something else (CVE-2012-2459, CVE-2017-12842). A level of odd length lifts
its last node unchanged [MRK-1] [MRK-2].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge_client.protocol.encoding import uint
from edge_client.protocol.hashing import ZERO_HASH, Tag, digest, hasher

LEAVES_MAX = (1 << 32) - 1
_of_node, _of_tree = hasher(Tag.NODE), hasher(Tag.TREE)


def leaf_hash(data: bytes) -> bytes:
    """Hash of one leaf's bytes."""
    return digest(Tag.LEAF, data)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return _of_node(left + right)


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """All levels of the tree over leaf *hashes*, leaves first, top last; one empty level for no leaves."""
    rows = [list(leaves)]
    while len(rows[-1]) > 1:
        below = rows[-1]
        row = [node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        if len(below) % 2:
            row.append(below[-1])
        rows.append(row)
    return rows


def seal(count: int, top: bytes) -> bytes:
    """Root of a tree with `count` leaves and top node `top`."""
    return _of_tree(uint(count, 4) + top)


def root(leaves: Sequence[bytes]) -> bytes:
    """Root over leaf hashes."""
    return root_of_levels(levels(leaves))


def root_of_levels(rows: Sequence[Sequence[bytes]]) -> bytes:
    """Root of a tree whose levels are already there."""
    return seal(len(rows[0]), rows[-1][0] if rows[0] else ZERO_HASH)


def changed(
    rows: Sequence[Sequence[bytes]], touched: Mapping[int, bytes], added: Sequence[bytes]
) -> list[list[bytes]]:
    """Levels after replacing some leaf hashes and appending others; costs O(changes x depth) hashes."""
    row = list(rows[0])
    for i, leaf in touched.items():
        row[i] = leaf
    dirty = set(touched) | set(range(len(row), len(row) + len(added)))
    row += added
    out = [row]
    while len(out[-1]) > 1:
        below = out[-1]
        width = (len(below) + 1) >> 1
        old = rows[len(out)] if len(out) < len(rows) else ()
        row = list(old[:width]) + [b""] * (width - len(old))
        dirty = {i >> 1 for i in dirty}
        for i in dirty:
            pair = below[2 * i : 2 * i + 2]
            row[i] = node_hash(*pair) if len(pair) == 2 else pair[0]
        out.append(row)
    return out


def path(rows: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """Siblings from the leaf up for leaf `index`; levels where the node is lifted add nothing."""
    if not 0 <= index < len(rows[0]):
        raise IndexError(f"leaf {index} of {len(rows[0])}")
    siblings = []
    for row in rows[:-1]:
        sibling = index ^ 1
        if sibling < len(row):
            siblings.append(row[sibling])
        index >>= 1
    return siblings


def root_from_path(leaf: bytes, index: int, count: int, siblings: Sequence[bytes]) -> bytes | None:
    """Root that the path proves for leaf hash `leaf`, or None when the path has the wrong shape."""
    if not 0 <= index < count <= LEAVES_MAX:
        return None
    node, width, used = leaf, count, 0
    while width > 1:
        if index ^ 1 < width:
            if used == len(siblings):
                return None
            sibling = siblings[used]
            used += 1
            node = node_hash(sibling, node) if index & 1 else node_hash(node, sibling)
        index >>= 1
        width = (width + 1) >> 1
    return seal(count, node) if used == len(siblings) else None
