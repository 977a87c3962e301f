"""Proofs of earlier headers out of the stored ones."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from edge_client.core.ancestry import NotHeldError, trace
from edge_client.core.segments import History, Segment
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.mmr import peaks_of
from edge_client.protocol.mmr_extension import extension_places
from edge_client.protocol.proofs import AncestorProof
from tests.builders import ChainMaker
from tests.proof_builders import ancestor as ancestor_or_none


def ancestor(made: ChainMaker, height: int, under: int) -> AncestorProof:
    proof = ancestor_or_none(made, height, under)
    assert proof is not None
    return proof


@cache
def chain() -> ChainMaker:
    made = ChainMaker(devices=1)
    for _ in range(12):
        made.add()
    return made


def stored(last: int) -> list[bytes]:
    return [header.encode_linked() for header in chain().headers[:last]]


@pytest.mark.parametrize("height", range(1, 14))
def test_every_earlier_header_is_proven(height: int) -> None:
    head = chain().headers[height - 1]
    found = trace(chain().chain_id, History([Segment(1, (), stored(height - 1))]), head, range(1, height))
    assert found.peaks == chain().peaks(height - 1)
    assert found.ancestors == {one: ancestor(chain(), one, height) for one in range(1, height)}
    for proof in found.ancestors.values():
        assert proof.root_for(chain().chain_id, found.peaks) == head.history_root


def broken() -> dict[str, tuple[list[bytes], Reason]]:
    whole = stored(12)
    changed = whole[3][:12] + bytes(4) + whole[3][16:]
    return {
        "one changed": ([*whole[:3], changed, *whole[4:]], Reason.WRONG_HASH),
        "one missing": ([*whole[:3], *whole[4:]], Reason.MALFORMED),
        "two exchanged": ([*whole[:2], whole[3], whole[2], *whole[4:]], Reason.MALFORMED),
        "too few": (whole[:-1], Reason.WRONG_HASH),
        "too many": (stored(13), Reason.WRONG_HASH),
        "none": ([], Reason.WRONG_HASH),
        "cut": ([*whole[:-1], whole[-1][:-1]], Reason.MALFORMED),
    }


@pytest.mark.parametrize("name", broken())
def test_headers_that_are_not_the_history_of_the_head(name: str) -> None:
    linked, reason = broken()[name]
    with pytest.raises(ProtocolError) as caught:
        trace(chain().chain_id, History([Segment(1, (), linked)]), chain().headers[12], {2})
    assert caught.value.reason == reason


def gap(first: int, last: int, upto: int) -> list[Segment]:
    """Stored headers without those of heights `first` to `last`."""
    whole, leaves = stored(upto), chain().leaves(upto)
    places = extension_places(first, last + 1)
    hashes = [peaks_of(leaves[at << height : (at + 1) << height]).hashes[0] for height, at in places]
    return [Segment(1, (), whole[: first - 1]), Segment(last + 1, tuple(hashes), whole[last:])]


@pytest.mark.parametrize(("first", "last"), [(2, 2), (3, 9), (4, 11), (8, 8), (2, 11)])
def test_headers_before_and_after_a_gap_are_proven(first: int, last: int) -> None:
    head = chain().headers[12]
    heights = [one for one in range(1, 13) if not first <= one <= last]
    found = trace(chain().chain_id, History(gap(first, last, 12)), head, heights)
    assert found.peaks == chain().peaks(12)
    assert found.ancestors == {one: ancestor(chain(), one, 13) for one in heights}


def test_a_header_in_a_gap_cannot_be_proven() -> None:
    with pytest.raises(NotHeldError, match="header 5 is not stored: it was jumped over"):
        trace(chain().chain_id, History(gap(3, 9, 12)), chain().headers[12], {2, 5})


def test_an_extension_that_is_not_the_chains() -> None:
    whole, jumped = gap(3, 9, 12)
    wrong = Segment(jumped.first, (bytes(32), *jumped.extension[1:]), jumped.linked)
    with pytest.raises(ProtocolError):
        trace(chain().chain_id, History([whole, wrong]), chain().headers[12], {2})


@pytest.mark.parametrize("under", [10, 11, 12, 13])
@pytest.mark.parametrize("height", [3, 5, 8, 9])
def test_a_header_that_is_shown_in_a_gap_is_proven(height: int, under: int) -> None:
    """In whatever range from the end of the gap on it was shown."""
    shown = {height: ancestor(chain(), height, under)}
    found = trace(chain().chain_id, History(gap(3, 9, 12), shown), chain().headers[12], {2, height})
    assert found.ancestors == {one: ancestor(chain(), one, 13) for one in (2, height)}


def test_a_header_that_is_not_the_gaps() -> None:
    true, other = ancestor(chain(), 5, 13), ancestor(chain(), 6, 13)
    forged = replace(true.header, time_s=true.header.time_s + 1)
    for lie in (
        replace(true, header=forged),
        replace(true, siblings=true.siblings[:-2]),
        replace(true, siblings=other.siblings),
    ):
        with pytest.raises(ProtocolError, match="header 5"):
            trace(chain().chain_id, History(gap(3, 9, 12), {5: lie}), chain().headers[12], {5})
