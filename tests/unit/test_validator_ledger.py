"""The ledger: each rule a proposed block may break, candidates and their bounds, becoming final."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from broker.core import ledger as ledger_module
from broker.core.ledger import Candidate, Clock, Ledger, Place
from edge_client.protocol.body import Body
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.model import model_root
from tests.builders import ChainMaker, chain_of, make_signers, make_update, register
from tests.ledger_rig import ledger_of, next_block, store_of, tip_of

Change = Callable[[Header], Header]


@pytest.fixture
def chain() -> ChainMaker:
    """Three devices registered, one round closed, an update of each in the next."""
    made = chain_of(3)
    made.close_round()
    for account in range(3):
        make_update(made, account)
    return made


@pytest.fixture
def block(chain: ChainMaker) -> Candidate:
    """A block that closes round 2."""
    return next_block(chain, [make_update(chain, account).head for account in (0, 1)])


@pytest.fixture
def ledger(chain: ChainMaker, block: Candidate) -> Ledger:
    """A validator's, with all bodies of the block."""
    return ledger_of(chain, store_of(chain))


def test_what_a_leader_builds_another_validator_finds_valid(
    chain: ChainMaker, block: Candidate, ledger: Ledger
) -> None:
    found = ledger.check(tip_of(chain), block.header, block.body)
    assert (found.tip.hash, found.tip.peaks) == (block.tip.hash, block.tip.peaks)
    assert ledger.check(tip_of(chain), block.header, block.body) is found


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda header: replace(header, height=header.height + 1), "height"),
        (lambda header: replace(header, slot=1), "slot"),
        (lambda header: replace(header, time_s=0), "time"),
        (lambda header: replace(header, history_root=bytes(32)), "history"),
        (lambda header: replace(header, body_root=bytes(32)), "body root"),
        (lambda header: replace(header, validators=7), "validator set"),
        (lambda header: replace(header, app_root=bytes(32)), "re-execution"),
    ],
)
def test_a_header_that_breaks_one_rule_is_refused(
    chain: ChainMaker, block: Candidate, ledger: Ledger, change: Change, why: str
) -> None:
    with pytest.raises(ProtocolError, match=why) as caught:
        ledger.check(tip_of(chain), change(block.header), block.body)
    assert caught.value.reason == Reason.INVALID_BLOCK
    assert ledger.candidate(block.tip.hash) is None


def test_there_are_no_blocks_without_records(chain: ChainMaker, ledger: Ledger) -> None:
    empty = next_block(chain, [])
    with pytest.raises(ProtocolError, match="no records"):
        ledger.check(tip_of(chain), empty.header, empty.body)


def test_time_never_runs_back_whatever_the_leaders_clock_says(chain: ChainMaker, ledger: Ledger) -> None:
    place = Place(chain.height + 1, 0, 0)
    heads = [make_update(chain, account).head for account in (0, 1)]
    built = ledger_of(chain, store_of(chain)).build(tip_of(chain), heads, (), place)
    assert built.header.time_s == chain.time_s


def test_update_heads_are_judged_without_their_bodies(chain: ChainMaker, block: Candidate) -> None:
    bare = ledger_of(chain, store_of(chain, ()))
    bare.check_updates(tip_of(chain), block.header, block.body)
    for body, header in (
        (Body.of([replace(block.body.updates[0], signature=bytes(64))], ()), block.header),
        (Body.of(block.body.updates[:1], ()), block.header),
        (Body.of([make_update(chain, 0, round=1).head, make_update(chain, 1).head], ()), block.header),
    ):
        with pytest.raises(ProtocolError):
            bare.check_updates(tip_of(chain), header, body)


def test_a_final_block_becomes_the_head_and_takes_along_what_changed(
    chain: ChainMaker, block: Candidate, ledger: Ledger
) -> None:
    newcomer = register(make_signers(9, "device")[8], chain.chain_id)
    block = next_block(chain, [*block.body.records, newcomer])
    ledger.check(tip_of(chain), block.header, block.body)
    final = ledger.finalise(block.tip.hash, None)
    assert ledger.head.hash == block.tip.hash
    assert [index for index, _ in final.accounts] == [0, 1, 3]
    assert [root for root, _ in final.inclusions] == [head.update_root for head in block.body.updates]
    assert [block.body.records[place] for _, place in final.inclusions] == list(block.body.updates)
    assert final.model is not None
    assert model_root(final.model) == final.state.model_root
    assert ledger.model(final.state.model_root) == final.model


def test_a_block_on_another_parent_can_not_become_final(
    chain: ChainMaker, block: Candidate, ledger: Ledger
) -> None:
    ledger.check(tip_of(chain), block.header, block.body)
    ledger.head = replace(ledger.head, hash=bytes(32))
    with pytest.raises(RuntimeError, match="parent"):
        ledger.finalise(block.tip.hash, None)


def test_candidates_of_other_branches_go_when_one_becomes_final(chain: ChainMaker, ledger: Ledger) -> None:
    rivals = [
        next_block(chain, [make_update(chain, one).head for one in pair], slot=10 + i)
        for i, pair in enumerate([(0, 1), (1, 2)])
    ]
    for rival in rivals:
        ledger.check(tip_of(chain), rival.header, rival.body)
    ledger.finalise(rivals[1].tip.hash, None)
    assert ledger.tip(rivals[0].tip.hash) is None
    assert ledger.tip(rivals[1].tip.hash) == ledger.head


def test_candidates_are_bounded_and_the_lowest_slot_goes_first(
    chain: ChainMaker, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "CANDIDATES_MAX", 2)
    heads = [make_update(chain, account).head for account in (0, 1)]
    made = [next_block(chain, heads, slot=slot) for slot in (12, 11, 13)]
    for one in made:
        ledger.check(tip_of(chain), one.header, one.body)
    assert [ledger.candidate(one.tip.hash) is None for one in made] == [False, True, False]


def test_a_dropped_candidate_that_becomes_final_is_taken_from_disk(
    chain: ChainMaker, block: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "CANDIDATES_MAX", 1)
    store = store_of(chain)
    ledger = ledger_of(chain, store)
    store.store_block(ledger.stored(ledger.check(tip_of(chain), block.header, block.body)))
    later = next_block(chain, [make_update(chain, 0).head, make_update(chain, 2).head], slot=99)
    ledger.check(tip_of(chain), later.header, later.body)
    assert ledger.candidate(block.tip.hash) is None
    assert ledger.finalise(block.tip.hash, None).header == block.header
    assert ledger.head.hash == block.tip.hash


def test_a_fresh_update_is_found_until_it_is_on_disk(chain: ChainMaker) -> None:
    ledger = ledger_of(chain, store_of(chain, ()))
    ledger.keep_update(b"r" * 32, b"body")
    assert ledger.update(b"r" * 32) == b"body"
    assert ledger.has_update(b"r" * 32)
    ledger.forget_fresh()
    assert ledger.update(b"r" * 32) is None
    assert not ledger.has_update(b"r" * 32)


@pytest.mark.parametrize(("now_ms", "chain_s"), [(999_999, 0), (1_000_000, 0), (1_001_999, 1), (0, 0)])
def test_chain_time_counts_from_genesis_and_is_never_negative(now_ms: int, chain_s: int) -> None:
    assert Clock(t0_s=1000).chain_time_s(now_ms) == chain_s
