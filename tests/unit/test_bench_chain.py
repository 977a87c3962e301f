"""The measurements of `make bench-chain` do what they say; how long they take is not looked at here."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chain.following import Times, certified_share
from benchmarks.chain.light_chain import LightChain
from edge_client.core.light_client import Advanced
from edge_client.core.verify import NotEnoughTrust
from edge_client.protocol.light import RUN_HEADERS_MAX, HeaderRun, LightBlock


def test_the_light_client_follows_certified_blocks_and_runs():
    chain = LightChain(4)
    headers = chain.headers(3)
    one_by_one = chain.client()
    for header in headers:
        block = LightBlock.decode(chain.certified(header).wire)
        assert isinstance(one_by_one.offer(block, chain.end_ms), Advanced)
    by_run = chain.client()
    last = LightBlock.decode(chain.certified(headers[-1]).wire)
    assert isinstance(by_run.offer(last, chain.end_ms), NotEnoughTrust)
    (run,) = chain.runs(headers)
    assert isinstance(by_run.take_run(HeaderRun.decode(run), chain.end_ms), Advanced)
    assert by_run.tip == one_by_one.tip


def test_headers_that_would_not_be_stored_are_an_error(tmp_path: Path):
    with pytest.raises(RuntimeError, match="no multiple"):
        certified_share(tmp_path, 4, 8)


def test_one_interrupted_turn_does_not_count():
    share = Times([8e-6, 8e-6, 1.0], [8e-6, 8e-6, 1.0], [RUN_HEADERS_MAX * 1e-6]).share(signatures=3)
    assert share.of_limit == pytest.approx(0.5)
    assert share.signatures_per_s == pytest.approx(3e6)
