"""[LGT-1] to [LGT-3]: what a device gets to see of a block."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.light import (
    LIGHT_BLOCK_BYTES_MAX,
    RUN_HEADERS_MAX,
    HeaderRun,
    LightBlock,
    link,
)
from edge_client.protocol.mmr import EMPTY
from edge_client.protocol.votes import Finality, Quorum
from tests.builders import ChainMaker, make_genesis
from tests.protocol_examples import chain


@pytest.mark.parametrize(("validators", "size"), [(1, 626), (4, 754), (7, 882), (16, 1266)])
def test_a_light_block_fits_one_small_packet(validators: int, size: int) -> None:
    light = ChainMaker(make_genesis(validators), devices=2).close_round()
    assert len(light.encode()) == size <= LIGHT_BLOCK_BYTES_MAX


def test_everything_in_a_light_block_hangs_on_its_header() -> None:
    light = chain().light_block()
    assert light.header.app_root == light.app.root()
    assert light.app.state_root == light.state.root()
    assert light.state.learning_root == light.learning.root()
    assert LightBlock.decode(light.encode()) == light


@pytest.mark.parametrize("first", [1, 2, 5])
def test_linked_headers_rebuild_their_history_roots(first: int) -> None:
    made = chain()
    run = made.header_run(first, 5)
    headers, peaks = link(made.chain_id, made.peaks(first - 1), run.linked)
    assert headers == made.headers[first - 1 :]
    assert peaks == made.peaks()


def test_an_empty_run_links_to_itself() -> None:
    assert link(bytes(32), EMPTY, []) == ([], EMPTY)


def test_heights_must_follow_one_another() -> None:
    made = chain()
    linked = [header.encode_linked() for header in made.headers]
    for broken in (linked[1:], [linked[0], linked[2]], [linked[0], linked[0]]):
        with pytest.raises(ProtocolError) as caught:
            link(made.chain_id, made.peaks(0), broken)
        assert caught.value.reason == Reason.MALFORMED


def test_one_changed_header_changes_the_hash_of_the_last() -> None:
    made = chain()
    forged = [replace(made.headers[0], time_s=11), *made.headers[1:]]
    headers, _ = link(made.chain_id, made.peaks(0), [header.encode_linked() for header in forged])
    assert headers[-1].hash(made.chain_id) != made.headers[-1].hash(made.chain_id)


def test_runs_are_bounded() -> None:
    linked = (chain().headers[0].encode_linked(),)
    longest = HeaderRun(1, linked * RUN_HEADERS_MAX, Finality(1, Quorum(0, ())))
    assert HeaderRun.decode(longest.encode()) == longest
    with pytest.raises(DecodeError, match="1025 entries"):
        HeaderRun.decode(replace(longest, linked=linked * (RUN_HEADERS_MAX + 1)).encode())
