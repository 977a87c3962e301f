"""Blocks from other validators: what is fetched for whom, in which order things are stored, catching up."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from broker.core.consensus.events import BlockChecked, CheckBlock, FetchBlock, Finalised, Verdict
from broker.core.effects import StoreBlock, StoreFinal, StoreUpdateBody
from broker.core.ledger import Candidate, Clock, Ledger, Place
from broker.core.peers import PENDING_MAX, WALK_BLOCKS_MAX, Outcome, Peers
from broker.core.rate import OUTSIDER_RUNS
from edge_client.protocol.body import Body, encode_block
from edge_client.protocol.chunks import ObjectKind, Piece, split
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.keys import node_id
from edge_client.protocol.light import RUN_HEADERS_MAX, HeaderRun
from edge_client.protocol.messages import Ask, GetChunks, GetHeaders
from edge_client.protocol.votes import Certificate, Proposal, Quorum, Subject, VoteKind
from tests.builders import ChainMaker, chain_of, make_body, make_signers, make_update
from tests.ledger_rig import ledger_of, next_block, notarised, seating_of, store_of, tip_of

PEER = node_id(make_signers(2)[1].public_key)
OUTSIDER = node_id(make_signers(1, "outsider")[0].public_key)
DISK_WITHOUT_UPDATES = tuple(set(ObjectKind) - {ObjectKind.UPDATE})


class Rig:
    """Peers of a validator whose finalised head is the block of `height` and whose disk has no updates."""

    def __init__(self, chain: ChainMaker, height: int | None = None) -> None:
        self.chain = chain
        self.height = chain.height if height is None else height
        self.now_ms = (chain.genesis.t0_s + chain.states[self.height].learning.opened_at_s + 20) * 1000
        kinds = DISK_WITHOUT_UPDATES
        if self.height < chain.height:
            kinds = (ObjectKind.GENESIS, ObjectKind.MODEL)
        self.store = store_of(chain, kinds)
        self.ledger: Ledger = ledger_of(chain, self.store, self.height)
        nonces = count(1)
        clock, seating = Clock(chain.genesis.t0_s), seating_of(self.ledger)
        self.peers = Peers(seating, self.store, self.ledger, clock, lambda: next(nonces))

    def hear_run(self, run: HeaderRun, sender: str = PEER) -> None:
        self.peers.header_run(run, sender, self.now_ms)

    def propose(self, header: Header) -> None:
        self.peers.check_block(CheckBlock(Proposal(header.slot, header, b"")))

    def certified(self, candidate: Candidate) -> None:
        tip = candidate.tip
        self.peers.fetch_block(FetchBlock(tip.hash, tip.height, tip.slot))

    def push(self, root: bytes, data: bytes, source: str = "peer") -> list[Ask]:
        asks = []
        chunks = split(data)
        for index, chunk in enumerate(chunks):
            asks += self.peers.piece(source, root, index, Piece(len(chunks), chunk).encode(), self.now_ms)
        return asks

    def push_block(self, header: Header, body: Body) -> None:
        self.push(header.hash(self.chain.chain_id), encode_block(header, body))

    def step(self, slot: int | None = None) -> Outcome:
        slot = self.ledger.head.slot + 1 if slot is None else slot
        return self.peers.step(slot, self.now_ms)

    def wanted(self) -> set[bytes]:
        self.now_ms += 100_000
        return {
            ask.question.root for ask in self.peers.due(self.now_ms) if isinstance(ask.question, GetChunks)
        }


@pytest.fixture
def chain() -> ChainMaker:
    """Four devices registered, one round closed."""
    made = chain_of(4)
    made.close_round()
    return made


def verdicts(outcome: Outcome) -> list[Verdict]:
    return [one.verdict for one in outcome.answers if isinstance(one, BlockChecked)]


# --- proposals -------------------------------------------------------------------------------------------


def test_a_pushed_block_with_all_its_updates_here_is_stored_and_then_valid(chain: ChainMaker) -> None:
    made = make_update(chain, 0), make_update(chain, 1)
    block = next_block(chain, [one.head for one in made])
    rig = Rig(chain)
    for one in made:
        rig.ledger.keep_update(one.head.update_root, one.body)
    rig.push_block(block.header, block.body)
    rig.propose(block.header)
    outcome = rig.step()
    assert [type(one) for one in outcome.stores] == [StoreBlock]
    assert verdicts(outcome) == [Verdict.VALID]
    assert rig.wanted() == set()


def test_updates_of_a_block_that_are_not_here_are_asked_for_and_stored_before_the_answer(
    chain: ChainMaker,
) -> None:
    made = make_update(chain, 0), make_update(chain, 1)
    block = next_block(chain, [one.head for one in made])
    rig = Rig(chain)
    rig.push_block(block.header, block.body)
    rig.propose(block.header)
    assert rig.step() == Outcome()
    assert rig.wanted() == {one.head.update_root for one in made}
    rig.push(made[0].head.update_root, made[0].body)
    first = rig.step()
    assert [type(one) for one in first.stores] == [StoreUpdateBody]
    assert not first.answers
    rig.now_ms -= 100_000
    rig.push(made[1].head.update_root, made[1].body)
    outcome = rig.step()
    assert [type(one) for one in outcome.stores] == [StoreUpdateBody, StoreBlock]
    assert verdicts(outcome) == [Verdict.VALID]


def test_an_update_that_was_pushed_before_is_stored_before_the_answer(chain: ChainMaker) -> None:
    """Nobody pushes updates yet; whoever does must not make us vote before they are on disk."""
    made = make_update(chain, 0), make_update(chain, 1)
    block = next_block(chain, [one.head for one in made])
    rig = Rig(chain)
    for one in made:
        rig.push(one.head.update_root, one.body)
    rig.push_block(block.header, block.body)
    rig.propose(block.header)
    outcome = rig.step()
    assert [type(one) for one in outcome.stores] == [StoreUpdateBody, StoreUpdateBody, StoreBlock]
    assert verdicts(outcome) == [Verdict.VALID]


def test_nothing_is_fetched_for_updates_that_no_device_signed(chain: ChainMaker) -> None:
    """A leader could otherwise fill every disk with bodies it makes up."""
    made = make_update(chain, 0), make_update(chain, 1)
    block = next_block(chain, [one.head for one in made])
    forged = Body.of([replace(one.head, signature=bytes(64)) for one in made], block.body.justification)
    header = replace(block.header, body_root=forged.root())
    rig = Rig(chain)
    rig.push_block(header, forged)
    rig.propose(header)
    outcome = rig.step()
    assert verdicts(outcome) == [Verdict.INVALID]
    assert outcome.stores == []
    assert rig.wanted() == set()


def test_a_proposal_whose_parent_is_unknown_makes_us_fetch_nothing_more(chain: ChainMaker) -> None:
    """Its justification is not verified yet: a leader could name any parent, and have us judge it."""
    block = next_block(chain, [])
    false = Certificate(Subject(VoteKind.NOTARIZE, 0, block.header.slot, 9, bytes(32)), block_quorum(chain))
    body = Body.of([], [false])
    header = replace(block.header, height=10, body_root=body.root(), slot=block.header.slot + 1)
    rig = Rig(chain)
    rig.push_block(header, body)
    rig.propose(header)
    assert rig.step(header.slot) == Outcome()
    assert rig.wanted() == set()


def block_quorum(chain: ChainMaker) -> Quorum:
    return chain.certificate(chain.height).quorum


def test_a_proposal_of_a_later_slot_waits_for_its_slot(chain: ChainMaker) -> None:
    block = next_block(chain, [make_update(chain, 0).head, make_update(chain, 1).head])
    rig = Rig(chain)
    rig.propose(block.header)
    assert rig.step(block.header.slot - 1) == Outcome()
    assert rig.wanted() == set()
    rig.step(block.header.slot)
    assert rig.wanted() == {block.tip.hash}


def test_a_proposal_of_a_slot_that_was_left_is_forgotten_with_all_that_was_asked_for_it(
    chain: ChainMaker,
) -> None:
    made = make_update(chain, 0), make_update(chain, 1)
    block = next_block(chain, [one.head for one in made])
    rig = Rig(chain)
    rig.push_block(block.header, block.body)
    rig.propose(block.header)
    rig.step()
    assert len(rig.wanted()) == 2
    rig.step(block.header.slot + 1)
    assert rig.wanted() == set()


@pytest.mark.parametrize(
    ("ahead_s", "verdict"),
    [(-301, Verdict.UNTIMELY), (-300, Verdict.VALID), (10, Verdict.VALID), (11, Verdict.UNTIMELY)],
)
def test_the_time_of_a_proposal_is_in_the_window(chain: ChainMaker, ahead_s: int, verdict: Verdict) -> None:
    chain = chain_of(4)
    block = next_block(chain, [make_update(chain, 0).head, make_update(chain, 1).head], time_s=1000)
    rig = Rig(chain)
    rig.store = store_of(chain)
    ledger, clock = ledger_of(chain, rig.store), Clock(chain.genesis.t0_s)
    rig.peers = Peers(seating_of(ledger), rig.store, ledger, clock, lambda: 1)
    rig.now_ms = (chain.genesis.t0_s + 1000 - ahead_s) * 1000
    rig.push_block(block.header, block.body)
    rig.propose(block.header)
    assert verdicts(rig.step()) == [verdict]


def test_a_certified_block_has_no_window(chain: ChainMaker) -> None:
    block = next_block(chain, [make_update(chain, 0).head, make_update(chain, 1).head])
    rig = Rig(chain)
    for one in block.body.updates:
        rig.ledger.keep_update(one.update_root, chain.update_bodies[one.update_root])
    rig.now_ms += 10_000_000
    rig.push_block(block.header, block.body)
    rig.certified(block)
    assert verdicts(rig.step(block.header.slot + 5)) == [Verdict.VALID]


def test_an_empty_block_on_a_final_parent_is_not_voted_for(chain: ChainMaker) -> None:
    block = next_block(chain, [], time_s=chain.time_s)
    rig = Rig(chain)
    rig.push_block(block.header, block.body)
    rig.propose(block.header)
    assert verdicts(rig.step()) == [Verdict.UNTIMELY]


def test_a_block_that_executes_to_something_else_is_invalid(chain: ChainMaker) -> None:
    made = make_update(chain, 0), make_update(chain, 1)
    block = next_block(chain, [one.head for one in made])
    rig = Rig(chain)
    for one in made:
        rig.ledger.keep_update(one.head.update_root, one.body)
    header = replace(block.header, app_root=bytes(32))
    rig.push_block(header, block.body)
    rig.propose(header)
    outcome = rig.step()
    assert verdicts(outcome) == [Verdict.INVALID]
    assert outcome.stores == []


# --- certified blocks ------------------------------------------------------------------------------------


def two_blocks(chain: ChainMaker) -> tuple[Candidate, Candidate]:
    """A block that closes the round, and an empty one on top of it, both not final."""
    first = next_block(chain, [make_update(chain, 0).head, make_update(chain, 1).head])
    leader = ledger_of(chain, store_of(chain))
    again = leader.check(tip_of(chain), first.header, first.body)
    place = Place(first.header.slot + 1, 0, first.header.time_s)
    return again, leader.build(again.tip, [], (notarised(chain, again),), place)


def test_a_certified_block_is_fetched_with_its_ancestors(chain: ChainMaker) -> None:
    first, second = two_blocks(chain)
    rig = Rig(chain)
    rig.certified(second)
    rig.step()
    assert rig.wanted() == {second.tip.hash}
    rig.push_block(second.header, second.body)
    rig.step()
    assert rig.wanted() == {first.tip.hash}
    rig.push_block(first.header, first.body)
    rig.step()
    for one in first.body.updates:
        assert one.update_root in rig.wanted()
        rig.push(one.update_root, chain.update_bodies[one.update_root])
    outcome = rig.step()
    judged = [one for one in outcome.answers if isinstance(one, BlockChecked)]
    assert [(one.header, one.verdict) for one in judged] == [
        (first.header, Verdict.VALID),
        (second.header, Verdict.VALID),
    ]
    assert rig.wanted() == set()


def test_blocks_behind_a_new_head_are_forgotten(chain: ChainMaker) -> None:
    first, second = two_blocks(chain)
    rig = Rig(chain)
    rig.certified(first)
    rig.certified(second)
    rig.step()
    assert len(rig.wanted()) == 2
    rig.ledger.head = second.tip
    rig.peers.settle()
    rig.step()
    assert rig.wanted() == set()


def test_proposals_do_not_displace_certified_blocks(chain: ChainMaker) -> None:
    _, second = two_blocks(chain)
    rig = Rig(chain)
    rig.certified(second)
    for slot in range(2 * PENDING_MAX):
        rig.propose(replace(second.header, slot=second.header.slot + 1 + slot))
    rig.step()
    assert second.tip.hash in rig.wanted()


def test_a_liar_delays_but_another_source_serves(chain: ChainMaker) -> None:
    block = next_block(chain, [make_update(chain, 0).head, make_update(chain, 1).head])
    rig = Rig(chain)
    rig.certified(block)
    rig.step()
    rig.wanted()
    with pytest.raises(ProtocolError) as caught:
        rig.push(block.tip.hash, b"not a block", source="liar")
    assert caught.value.reason == Reason.WRONG_HASH
    rig.wanted()
    rig.push_block(block.header, block.body)
    rig.step()
    assert {one.update_root for one in block.body.updates} <= rig.wanted()


# --- far behind ------------------------------------------------------------------------------------------


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
