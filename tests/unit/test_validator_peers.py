"""Blocks from other validators: what is fetched for whom, in which order things are stored, catching up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broker.core.consensus.events import BlockChecked, Verdict
from broker.core.effects import StoreBlock, StoreUpdateBody
from broker.core.ledger import Candidate, Clock, Place
from broker.core.peers import PENDING_MAX, Outcome, Peers
from edge_client.protocol.body import Body
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.votes import Certificate, Quorum, Subject, VoteKind
from tests.builders import ChainMaker, chain_of, make_signers, make_update, register
from tests.ledger_rig import finalised, ledger_of, next_block, seating_of, store_of, tip_of
from tests.peers_rig import Rig


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
    rig.peers = Peers(seating_of(ledger, rig.store), rig.store, ledger, clock, lambda: 1)
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


def test_an_empty_block_is_not_voted_for(chain: ChainMaker) -> None:
    block = next_block(chain, [], time_s=chain.time_s)
    rig = Rig(chain)
    rig.push_block(block.header, block.body)
    rig.propose(block.header)
    assert verdicts(rig.step()) == [Verdict.INVALID]


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
    """A block that closes the round, and one on top of it, both not final here."""
    first = next_block(chain, [make_update(chain, 0).head, make_update(chain, 1).head])
    leader = ledger_of(chain, store_of(chain))
    again = leader.check(tip_of(chain), first.header, first.body)
    place = Place(first.header.slot + 1, 0, first.header.time_s)
    newcomer = register(make_signers(9, "device")[8], chain.chain_id)
    return again, leader.build(again.tip, [newcomer], (finalised(chain, again),), place)


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
