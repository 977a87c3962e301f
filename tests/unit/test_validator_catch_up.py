"""Far behind: runs of headers, who may send them, and what a suspicion may cost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broker.core.consensus.events import FetchBlock, Finalised
from broker.core.effects import StoreFinal
from broker.core.peers import WALK_BLOCKS_MAX, Outcome
from broker.core.rate import OUTSIDER_RUNS
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.light import RUN_HEADERS_MAX, HeaderRun
from edge_client.protocol.messages import GetHeaders
from tests.builders import ChainMaker, chain_of, make_body, make_update
from tests.ledger_rig import tip_of
from tests.peers_rig import OUTSIDER, Rig


@pytest.fixture
def long_chain() -> ChainMaker:
    """Height 8: a registration, then seven rounds."""
    made = chain_of(3)
    for round_number in range(7):
        for account in (0, 1):
            make_update(made, account, body=make_body(seed=round_number * 10 + account))
        made.close_round()
    return made


def far_behind(chain: ChainMaker) -> Rig:
    rig = Rig(chain, height=1)
    last = chain.headers[-1]
    assert last.height > 1 + WALK_BLOCKS_MAX
    rig.peers.fetch_block(FetchBlock(last.hash(chain.chain_id), last.height, last.slot))
    return rig


def test_far_behind_a_run_of_headers_is_asked_for_and_its_blocks_are_executed(long_chain: ChainMaker) -> None:
    chain, rig = long_chain, far_behind(long_chain)
    (ask,) = rig.peers.due(rig.now_ms)
    assert ask.question == GetHeaders(2, 8)
    rig.hear_run(chain.header_run(2, 8))
    objects = chain.objects()
    stores, answers = [], []
    for _ in range(100):
        outcome = rig.step()
        stores += outcome.stores
        answers += outcome.answers
        if answers:
            break
        for root in rig.wanted():
            kind = ObjectKind.BLOCK if (ObjectKind.BLOCK, root) in objects else ObjectKind.UPDATE
            rig.push(root, objects[kind, root])
    assert answers == [Finalised(chain.headers[-1], chain.certificate(8))]
    finals = [one for one in stores if isinstance(one, StoreFinal)]
    assert [one.header for one in finals] == chain.headers[1:]
    assert [one.certificate is not None for one in finals] == [False] * 6 + [True]
    assert rig.ledger.head.hash == tip_of(chain).hash
    questions = [ask.question for _ in range(10) for ask in rig.peers.due(rig.now_ms + 1_000_000)]
    assert questions == [GetHeaders(9, 8 + RUN_HEADERS_MAX)]


def test_a_run_that_no_quorum_signed_is_refused(long_chain: ChainMaker) -> None:
    rig = far_behind(long_chain)
    run = long_chain.header_run(2, 8)
    with pytest.raises(ProtocolError) as caught:
        rig.hear_run(replace(run, finality=replace(long_chain.finality(7), slot=run.finality.slot)))
    assert caught.value.reason == Reason.BAD_SIGNATURE
    assert rig.step() == Outcome()


@pytest.mark.parametrize("run", ["late", "empty", "unasked"])
def test_runs_that_do_not_fit_are_ignored(long_chain: ChainMaker, run: str) -> None:
    rig = Rig(long_chain, height=1) if run == "unasked" else far_behind(long_chain)
    finality = long_chain.finality(8)
    offered = {
        "late": long_chain.header_run(3, 8),
        "empty": HeaderRun(2, (), finality),
        "unasked": long_chain.header_run(2, 8),
    }
    rig.hear_run(offered[run])
    assert rig.step() == Outcome()
    assert rig.wanted() == set()


def test_headers_are_asked_of_another_peer_after_two_seconds(long_chain: ChainMaker) -> None:
    rig = far_behind(long_chain)
    (first,) = rig.peers.due(rig.now_ms)
    assert rig.peers.due(rig.now_ms + 1999) == []
    (second,) = rig.peers.due(rig.now_ms + 2000)
    assert (second.nonce, second.attempt) == (first.nonce, first.attempt + 1)


def test_a_suspicion_costs_two_questions_and_is_then_forgotten(long_chain: ChainMaker) -> None:
    rig = Rig(long_chain, height=1)
    asks = []
    for second in range(60):
        if second < 30:
            rig.peers.catch_up.probe()
        asks += rig.peers.due(rig.now_ms + second * 1000)
    assert len(asks) == 12
    assert {ask.attempt for ask in asks} == {0, 1}
    assert rig.peers.deadline() is None
    rig.peers.catch_up.probe()
    assert rig.peers.due(rig.now_ms + 60_000) != []
    rig.hear_run(long_chain.header_run(2, 5))
    rig.step()
    assert rig.wanted() == {long_chain.headers[1].hash(long_chain.chain_id)}


def test_who_may_have_missed_a_block_asks_when_the_head_stands_still(long_chain: ChainMaker) -> None:
    rig = Rig(long_chain, height=1)
    catch_up, moments = rig.peers.catch_up, []
    for second in range(40):
        now_ms = rig.now_ms + second * 1000
        catch_up.watch(second < 25, now_ms)
        moments += [second for _ in rig.peers.due(now_ms)]
    assert moments == [10, 12, 20, 22]
    assert catch_up.deadline() is None


def test_runs_of_nodes_without_a_seat_are_heard_but_not_without_end(long_chain: ChainMaker) -> None:
    rig = far_behind(long_chain)
    run = long_chain.header_run(2, 8)
    forged = replace(run, finality=replace(long_chain.finality(7), slot=run.finality.slot))
    reasons = []
    for _ in range(OUTSIDER_RUNS.burst + 1):
        with pytest.raises(ProtocolError) as caught:
            rig.hear_run(forged, OUTSIDER)
        reasons.append(caught.value.reason)
    assert reasons == [Reason.BAD_SIGNATURE] * OUTSIDER_RUNS.burst + [Reason.RATE]
    rig.now_ms += 1000
    rig.hear_run(long_chain.header_run(2, 8), OUTSIDER)
    rig.step()
    assert rig.wanted() != set()


def test_consensus_may_be_faster_than_catching_up(long_chain: ChainMaker) -> None:
    rig = far_behind(long_chain)
    rig.hear_run(long_chain.header_run(2, 8))
    rig.step()
    assert len(rig.wanted()) == 1
    rig.ledger.head = tip_of(long_chain, 8)
    rig.peers.settle()
    assert rig.step() == Outcome()
    assert rig.wanted() == set()
    assert rig.peers.deadline() is None


def test_a_final_block_that_does_not_execute_here_is_a_contradiction(long_chain: ChainMaker) -> None:
    rig = far_behind(long_chain)
    rig.hear_run(long_chain.header_run(2, 8))
    rig.ledger.head = replace(rig.ledger.head, state=long_chain.states[0])
    block = long_chain.objects()[ObjectKind.BLOCK, long_chain.headers[1].hash(long_chain.chain_id)]
    rig.step()
    rig.wanted()
    rig.push(long_chain.headers[1].hash(long_chain.chain_id), block)
    with pytest.raises(ProtocolError):
        rig.step()
