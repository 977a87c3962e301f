"""[MMR-1], [MMR-2]: the range over all headers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.protocol.encoding import uint
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.mmr import EMPTY, Peaks, Tracer, parent_hash, peaks_of, prove

LEAVES = [bytes([i]) * 32 for i in range(11)]


def test_three_leaves_by_hand() -> None:
    a, b, c = LEAVES[:3]
    peaks = peaks_of([a, b, c])
    assert peaks == Peaks(3, (parent_hash(a, b), c))
    assert peaks.root() == digest(Tag.MMR, uint(3, 4), parent_hash(a, b), c)
    assert EMPTY.root() == digest(Tag.MMR, uint(0, 4))


def test_one_hash_a_set_bit() -> None:
    for size in range(12):
        assert len(peaks_of(LEAVES[:size]).hashes) == size.bit_count()


def test_peaks_need_exactly_the_hashes_of_their_size() -> None:
    data = peaks_of(LEAVES).encode()
    assert Peaks.decode(data) == peaks_of(LEAVES)
    for broken in (data[:-32], data + bytes(32), uint(12, 4) + data[4:]):
        with pytest.raises(DecodeError):
            Peaks.decode(broken)


@pytest.mark.parametrize("index", range(11))
def test_every_leaf_is_proven(index: int) -> None:
    assert prove(LEAVES, index).root_for(LEAVES[index]) == peaks_of(LEAVES).root()


@pytest.mark.parametrize("index", [-1, 11])
def test_asking_for_a_leaf_that_is_not_there_is_our_bug(index: int) -> None:
    with pytest.raises(IndexError):
        prove(LEAVES, index)


@pytest.mark.parametrize("index", [-1, 2, 8, 11, 1 << 40])
def test_a_proof_at_another_place_proves_nothing(index: int) -> None:
    assert replace(prove(LEAVES, 3), index=index).root_for(LEAVES[3]) is None


def test_a_proof_of_the_wrong_shape_proves_nothing() -> None:
    proof = prove(LEAVES, 3)
    short = replace(proof, siblings=proof.siblings[:-1])
    long = replace(proof, siblings=(*proof.siblings, LEAVES[0]))
    few_peaks = replace(proof, peaks=Peaks(11, proof.peaks.hashes[:-1]))
    other_size = replace(proof, peaks=Peaks(13, proof.peaks.hashes))
    for broken in (short, long, few_peaks):
        assert broken.root_for(LEAVES[3]) is None
    assert other_size.root_for(LEAVES[3]) != peaks_of(LEAVES).root()


def test_an_inner_node_is_no_leaf() -> None:
    a, b, c, d = LEAVES[:4]
    proof = replace(prove(LEAVES[:4], 0), siblings=(parent_hash(c, d),))
    assert proof.root_for(parent_hash(a, b)) is None


def test_several_leaves_are_traced_in_one_pass() -> None:
    tracer = Tracer((0, 3, 8))
    for leaf in LEAVES[:9]:
        tracer.append(leaf)
    for index in (0, 3, 8):
        assert tracer.proof(index) == prove(LEAVES[:9], index)
        assert tracer.proof(index).root_for(LEAVES[index]) == tracer.peaks.root()
    assert [len(tracer.proof(index).siblings) for index in (0, 3, 8)] == [3, 3, 0]
    with pytest.raises(IndexError):
        Tracer((3,)).proof(3)
