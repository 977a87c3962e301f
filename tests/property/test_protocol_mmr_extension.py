"""Extending peaks gives the peaks of the longer range, and only an extension of that range does [MMR-5]."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.mmr import Peaks, peaks_of, prove
from edge_client.protocol.mmr_extension import (
    EXTENSION_MAX,
    extend,
    extension_from,
    extension_places,
    siblings_below,
)
from edge_client.protocol.mmr_nodes import appended

LEAVES_MAX = 600
SIZES = st.tuples(st.integers(1, LEAVES_MAX), st.integers(1, LEAVES_MAX)).map(sorted)


@cache
def leaf(index: int) -> bytes:
    return digest(Tag.CHUNK, index.to_bytes(4, "big"))


@cache
def stored() -> list[bytes]:
    nodes: list[bytes] = []
    for index in range(LEAVES_MAX):
        nodes += appended(index, leaf(index), nodes.__getitem__)
    return nodes


def node_at(position: int) -> bytes | None:
    return stored()[position]


@cache
def peaks(size: int) -> Peaks:
    return peaks_of([leaf(index) for index in range(size)])


@given(SIZES, st.data())
def test_extended_peaks_are_the_peaks_and_every_leaf_is_proven(sizes: list[int], data: st.DataObject) -> None:
    size, total = sizes
    hashes = extension_from(size, total, node_at)
    assert hashes is not None
    extended = extend(peaks(size), total, hashes)
    assert extended.peaks == peaks(total)
    index = data.draw(st.integers(0, total - 1))
    below = siblings_below(size, total, index, node_at)
    assert below is not None
    proof = prove([leaf(i) for i in range(total)], index)
    assert extended.siblings(leaf(index), index, below) == proof.siblings


@given(SIZES.filter(lambda sizes: sizes[0] < sizes[1]), st.data())
def test_another_hash_gives_another_root(sizes: list[int], data: st.DataObject) -> None:
    size, total = sizes
    hashes = list(extension_from(size, total, node_at) or ())
    at = data.draw(st.integers(0, len(hashes) - 1))
    hashes[at] = bytes(32)
    assert extend(peaks(size), total, hashes).peaks.root() != peaks(total).root()
    del hashes[at]
    with pytest.raises(ProtocolError):
        extend(peaks(size), total, hashes)


@given(SIZES, st.data())
def test_false_siblings_prove_nothing(sizes: list[int], data: st.DataObject) -> None:
    size, total = sizes
    extended = extend(peaks(size), total, extension_from(size, total, node_at) or ())
    index = data.draw(st.integers(0, total - 1))
    below = siblings_below(size, total, index, node_at) or ()
    for false in ((*below, bytes(32)), below[1:] if below else (bytes(32),)):
        with pytest.raises(ProtocolError):
            extended.siblings(leaf(index), index, false)
    with pytest.raises(ProtocolError):
        extended.siblings(leaf(index + 1), index, below)
    with pytest.raises(ProtocolError):
        extended.siblings(leaf(index), total, below)
    assert siblings_below(size, total, total, node_at) is None


@given(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1))
def test_an_extension_is_short_and_covers_the_new_leaves(size: int, more: int) -> None:
    total = min(size + more, 2**32 - 1)
    places = list(extension_places(size, total))
    assert len(places) <= EXTENSION_MAX
    assert len(places) <= 2 * (total - size).bit_length()
    at = size
    for height, index in places:
        assert index << height == at
        at += 1 << height
    assert at == max(size, total)
