"""Trees against dumb twins: the recursive definition, and rebuilding from scratch [MRK-1] [MRK-3] [MMR-1]."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_client.protocol.merkle import changed, levels, node_hash, path, root, root_from_path, seal
from edge_client.protocol.mmr import EMPTY, bag, parent_hash, peaks_of, prove

HASHES = st.integers(0, 255).map(lambda i: bytes([i]) * 32)
LISTS = st.lists(HASHES, max_size=40)


def twin_top(leaves: Sequence[bytes]) -> bytes:
    """Split at the largest power of two below the length (RFC 9162 §2.1.1 gives the same shape)."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(twin_top(leaves[:split]), twin_top(leaves[split:]))


def twin_peaks(leaves: Sequence[bytes]) -> list[bytes]:
    """A perfect tree for every set bit of the length, highest first."""
    if not leaves:
        return []
    size = 1 << len(leaves).bit_length() - 1
    row = list(leaves[:size])
    while len(row) > 1:
        row = [parent_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row + twin_peaks(leaves[size:])


@given(LISTS)
def test_root_is_the_recursive_one(leaves: list[bytes]) -> None:
    assert root(leaves) == seal(len(leaves), twin_top(leaves) if leaves else bytes(32))


@given(LISTS.filter(len), st.data())
def test_paths_prove_their_leaf_and_nothing_else(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    siblings = path(levels(leaves), index)
    assert root_from_path(leaves[index], index, len(leaves), siblings) == root(leaves)
    other = data.draw(HASHES)
    if other != leaves[index]:
        assert root_from_path(other, index, len(leaves), siblings) != root(leaves)


@settings(max_examples=200)
@given(LISTS, LISTS, st.data())
def test_changing_is_rebuilding(leaves: list[bytes], added: list[bytes], data: st.DataObject) -> None:
    touched = data.draw(st.dictionaries(st.integers(0, len(leaves) - 1), HASHES)) if leaves else {}
    new = [touched.get(i, leaf) for i, leaf in enumerate(leaves)] + added
    assert changed(levels(leaves), touched, added) == levels(new)


@given(LISTS)
def test_peaks_are_the_perfect_trees(leaves: list[bytes]) -> None:
    assert list(peaks_of(leaves).hashes) == twin_peaks(leaves)
    assert peaks_of(leaves).root() == bag(len(leaves), twin_peaks(leaves))
    grown = EMPTY
    for leaf in leaves:
        grown = grown.append(leaf)
    assert grown == peaks_of(leaves)


@given(LISTS.filter(len), st.data())
def test_range_proofs_prove_their_leaf_and_nothing_else(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = prove(leaves, index)
    assert proof.root_for(leaves[index]) == peaks_of(leaves).root()
    other = data.draw(HASHES)
    if other != leaves[index]:
        assert proof.root_for(other) is None
