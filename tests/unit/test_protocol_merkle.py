"""[MRK-1] to [MRK-3]: shapes, proofs, and the classic confusions of Merkle trees."""

from __future__ import annotations

import pytest

from edge_client.protocol.encoding import uint
from edge_client.protocol.hashing import ZERO_HASH, Tag, digest
from edge_client.protocol.merkle import (
    changed,
    leaf_hash,
    levels,
    node_hash,
    path,
    root,
    root_from_path,
    seal,
)

LEAVES = [leaf_hash(bytes([i])) for i in range(9)]


def test_small_trees_by_hand() -> None:
    a, b, c = LEAVES[:3]
    assert root([]) == seal(0, ZERO_HASH) == digest(Tag.TREE, uint(0, 4), ZERO_HASH)
    assert root([a]) == seal(1, a)
    assert root([a, b]) == seal(2, node_hash(a, b))
    assert root([a, b, c]) == seal(3, node_hash(node_hash(a, b), c))


def test_a_duplicated_tail_is_another_tree() -> None:
    """CVE-2012-2459: lists that differ by a repeated tail must not share a root."""
    assert root(LEAVES[:3]) != root([*LEAVES[:3], LEAVES[2]])


def test_an_inner_node_is_no_leaf() -> None:
    """CVE-2017-12842: a tree of two leaves is not a tree of one leaf that is their node."""
    assert root(LEAVES[:2]) != root([node_hash(*LEAVES[:2])])
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])


@pytest.mark.parametrize("count", range(1, 10))
def test_every_leaf_is_proven(count: int) -> None:
    rows = levels(LEAVES[:count])
    for index in range(count):
        siblings = path(rows, index)
        assert root_from_path(LEAVES[index], index, count, siblings) == root(LEAVES[:count])


@pytest.mark.parametrize(
    ("index", "count", "cut"),
    [(5, 5, 0), (-1, 5, 0), (2, 0, 0), (2, 1 << 32, 0), (2, 5, 1), (2, 5, -1)],
    ids=["index = count", "negative", "empty tree", "count too wide", "short path", "long path"],
)
def test_paths_of_the_wrong_shape_prove_nothing(index: int, count: int, cut: int) -> None:
    siblings = path(levels(LEAVES[:5]), 2)
    siblings = siblings[: len(siblings) - cut] if cut >= 0 else [*siblings, ZERO_HASH]
    assert root_from_path(LEAVES[2], index, count, siblings) is None


@pytest.mark.parametrize("what", ["leaf", "index", "count", "sibling"])
def test_a_changed_proof_gives_another_root(what: str) -> None:
    siblings = path(levels(LEAVES[:8]), 2)
    leaf, index, count = LEAVES[2], 2, 8
    if what == "leaf":
        leaf = LEAVES[3]
    elif what == "index":
        index = 3
    elif what == "count":
        count = 7
    else:
        siblings[1] = ZERO_HASH
    assert root_from_path(leaf, index, count, siblings) != root(LEAVES[:8])


def test_asking_for_a_leaf_that_is_not_there_is_our_bug() -> None:
    with pytest.raises(IndexError):
        path(levels(LEAVES[:3]), 3)


def test_changing_a_tree_leaves_the_old_one_alone() -> None:
    rows = levels(LEAVES[:3])
    before = [list(row) for row in rows]
    new = changed(rows, {1: LEAVES[8]}, [LEAVES[7]])
    assert new == levels([LEAVES[0], LEAVES[8], LEAVES[2], LEAVES[7]])
    assert rows == before
