"""Proofs out of stored nodes are those that walking over all leaves gives [MMR-1] [MMR-3]."""

from __future__ import annotations

from functools import cache

from hypothesis import example, given
from hypothesis import strategies as st

from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.mmr import peaks_of, prove
from edge_client.protocol.mmr_nodes import (
    NodeAt,
    appended,
    leaf_count,
    node_count,
    node_position,
    peaks_from,
    prove_from,
    siblings_from,
)

LEAVES_MAX = 2100
EDGES = tuple(2**power + offset for power in range(1, 12) for offset in (-1, 0, 1))
SIZES = st.one_of(st.integers(1, LEAVES_MAX), st.sampled_from(EDGES))


@cache
def leaf(index: int) -> bytes:
    return digest(Tag.CHUNK, index.to_bytes(4, "big"))


@cache
def stored() -> list[bytes]:
    """All nodes of a range one leaf larger than asked about, in the order in which they come about."""
    nodes: list[bytes] = []
    for index in range(LEAVES_MAX + 1):
        nodes += appended(index, leaf(index), nodes.__getitem__)
    return nodes


def node_at(position: int) -> bytes | None:
    return stored()[position]


class Counted:
    """A lookup that counts, and misses one position."""

    def __init__(self, without: int | None = None) -> None:
        self.reads = 0
        self._without = without

    def __call__(self, position: int) -> bytes | None:
        self.reads += 1
        return None if position == self._without else node_at(position)


def leaves_of(size: int) -> list[bytes]:
    return [leaf(index) for index in range(size)]


@given(SIZES, st.data())
def test_a_proof_from_nodes_is_that_of_the_walk(size: int, data: st.DataObject) -> None:
    """Also of a range that has grown since: its nodes do not move."""
    index = data.draw(st.one_of(st.integers(0, size - 1), st.just(size - 1)))
    reads = Counted()
    assert prove_from(size, index, reads) == prove(leaves_of(size), index)
    assert reads.reads <= 2 * size.bit_length()


@given(SIZES)
def test_peaks_from_nodes_are_the_peaks(size: int) -> None:
    assert peaks_from(size, node_at) == peaks_of(leaves_of(size))


@given(SIZES)
def test_positions_go_on_where_the_last_leaf_ended(size: int) -> None:
    nodes = node_count(size)
    assert leaf_count(nodes) == size
    assert node_position(0, size) == nodes
    assert stored()[nodes] == leaf(size)


@given(st.integers(0, 2**40))
def test_leaf_count_is_the_inverse(size: int) -> None:
    assert leaf_count(node_count(size)) == size


@given(SIZES.filter(lambda size: size > 1), st.data())
@example(2, None)
def test_what_is_not_stored_is_not_proven(size: int, data: st.DataObject | None) -> None:
    index = data.draw(st.integers(0, size - 1)) if data else 0
    complete: NodeAt = node_at
    siblings = siblings_from(size, index, complete)
    if siblings:
        missing = stored().index(siblings[-1])
        assert siblings_from(size, index, Counted(without=missing)) is None
        assert prove_from(size, index, Counted(without=missing)) is None
    assert siblings_from(size, size, complete) is None
    assert prove_from(size, size, complete) is None
