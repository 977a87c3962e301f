"""The light client: block by block, in runs, and against forks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.core.light_client import Advanced, Known, LightClient
from edge_client.core.trusted import genesis_trust
from edge_client.core.verify import Conflict, Invalid, LightRules, NotEnoughTrust
from edge_client.protocol import keys
from edge_client.protocol.errors import Reason
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.light import HeaderRun, LightBlock
from edge_client.protocol.messages import GetHeaders
from edge_client.protocol.votes import Finality, Quorum
from tests.builders import T0_S, ChainMaker
from tests.light_forge import finality

NOW_MS = (T0_S + 36_000) * 1000


@pytest.fixture(scope="module")
def chain() -> ChainMaker:
    made = ChainMaker(devices=2)
    for _ in range(5):
        made.close_round()
        made.add([])
    return made


def client(chain: ChainMaker, checkpoint: Checkpoint | None = None) -> LightClient:
    rules = LightRules(chain.chain_id, chain.genesis.t0_s, keys.verify)
    return LightClient(rules, genesis_trust(chain.genesis), checkpoint)


def forked(chain: ChainMaker, height: int, **changes: int | bytes) -> LightBlock:
    """A light block that differs from the chain's and is signed all the same."""
    block = chain.light_block(height)
    header = replace(block.header, **changes)  # type: ignore[arg-type]
    return replace(block, header=header, finality=finality(chain, header))


def test_block_by_block(chain: ChainMaker) -> None:
    light = client(chain)
    for height in range(1, chain.height + 1):
        progress = light.offer(chain.light_block(height), NOW_MS)
        assert isinstance(progress, Advanced)
        assert [header.height for header in progress.headers] == [height]
        assert light.head.height == light.tip.height == height
        assert light.tip.peaks == chain.peaks(height)
        assert not light.behind
    assert light.head.app.model_root == chain.state.model_root


def test_a_repeated_head_is_nothing_new(chain: ChainMaker) -> None:
    light = client(chain)
    light.offer(chain.light_block(1), NOW_MS)
    assert light.offer(chain.light_block(1), NOW_MS) == Known()


def test_another_certificate_of_the_same_head_is_nothing_new(chain: ChainMaker) -> None:
    light = client(chain)
    light.offer(chain.light_block(1), NOW_MS)
    assert light.offer(chain.light_block(1, signers=(1, 2, 3)), NOW_MS) == Known()


def test_a_run_leads_to_a_head_further_on(chain: ChainMaker) -> None:
    light = client(chain)
    assert light.question(NOW_MS) is None
    assert light.offer(chain.light_block(8), NOW_MS) == NotEnoughTrust(GetHeaders(1, 8))
    assert light.behind
    assert light.head.height == 0
    assert light.question(NOW_MS) == GetHeaders(1, 8)
    progress = light.take_run(chain.header_run(1, 8), NOW_MS)
    assert isinstance(progress, Advanced)
    assert progress.head is not None
    assert (light.head.height, light.tip.height, light.behind) == (8, 8, False)
    assert light.tip.peaks == chain.peaks(8)
    assert light.question(NOW_MS) is None


def test_runs_may_come_in_pieces(chain: ChainMaker) -> None:
    light = client(chain)
    light.offer(chain.light_block(9), NOW_MS)
    part = light.take_run(chain.header_run(1, 4), NOW_MS)
    assert isinstance(part, Advanced)
    assert part.head is None
    assert (light.tip.height, light.head.height, light.behind) == (4, 0, True)
    assert light.question(NOW_MS) == GetHeaders(5, 9)
    light.take_run(chain.header_run(5, 9), NOW_MS)
    assert light.head.height == 9


def test_a_run_may_end_beyond_the_head(chain: ChainMaker) -> None:
    light = client(chain)
    light.offer(chain.light_block(5), NOW_MS)
    light.take_run(chain.header_run(1, 7), NOW_MS)
    assert (light.head.height, light.tip.height, light.behind) == (5, 7, True)
    assert isinstance(light.offer(chain.light_block(7), NOW_MS), Advanced)
    assert (light.head.height, light.behind) == (7, False)
    assert light.head.app.model_root == chain.states[7].model_root


def test_a_later_head_moves_the_target(chain: ChainMaker) -> None:
    light = client(chain)
    light.offer(chain.light_block(4), NOW_MS)
    light.offer(chain.light_block(9), NOW_MS)
    light.offer(chain.light_block(6), NOW_MS)
    assert light.question(NOW_MS) == GetHeaders(1, 9)


def test_a_target_that_has_become_the_next_block_is_taken(chain: ChainMaker) -> None:
    light = client(chain)
    light.offer(chain.light_block(4), NOW_MS)
    for height in range(1, 5):
        assert isinstance(light.offer(chain.light_block(height), NOW_MS), Advanced)
    assert (light.head.height, light.behind) == (4, False)


def test_a_run_nobody_asked_for_changes_nothing(chain: ChainMaker) -> None:
    light = client(chain)
    assert light.take_run(chain.header_run(1, 3), NOW_MS) == Known()
    light.offer(chain.light_block(9), NOW_MS)
    assert light.take_run(chain.header_run(2, 3), NOW_MS) == Known()
    assert light.take_run(HeaderRun(1, (), Finality(1, Quorum(0, ()))), NOW_MS) == Known()
    assert light.tip.height == 0


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda run: replace(run, finality=Finality(8, Quorum(0, ()))), Reason.TOO_FEW_SIGNATURES),
        (lambda run: replace(run, linked=run.linked[:-1]), Reason.BAD_SIGNATURE),
        (lambda run: replace(run, linked=(run.linked[0], *run.linked[2:])), Reason.MALFORMED),
        (lambda run: replace(run, linked=(run.linked[0][:-1] + b"x", *run.linked[1:])), Reason.BAD_SIGNATURE),
        (lambda run: replace(run, linked=(*run.linked[:2], b"\x02" + run.linked[2][1:])), Reason.MALFORMED),
    ],
    ids=["no certificate", "certificate of a later one", "a gap", "a changed header", "a later version"],
)
def test_a_broken_run_is_refused_and_the_question_stays(chain: ChainMaker, broken, reason: Reason) -> None:
    light = client(chain)
    light.offer(chain.light_block(8), NOW_MS)
    verdict = light.take_run(broken(chain.header_run(1, 8)), NOW_MS)
    assert isinstance(verdict, Invalid)
    assert verdict.reason == reason
    assert light.tip.height == 0
    assert light.question(NOW_MS) == GetHeaders(1, 8)


def test_an_invalid_head_is_no_target(chain: ChainMaker) -> None:
    light = client(chain)
    assert isinstance(light.offer(chain.light_block(8, signers=(0, 1)), NOW_MS), Invalid)
    assert not light.behind


@pytest.mark.parametrize("changes", [{"body_root": bytes(32)}, {"time_s": 11}])
def test_a_second_final_header_is_a_conflict_and_nothing_changes(chain: ChainMaker, changes) -> None:
    light = client(chain)
    light.offer(chain.light_block(1), NOW_MS)
    head = light.head
    assert isinstance(light.offer(forked(chain, 1, **changes), NOW_MS), Conflict)
    assert light.head == head


def test_a_final_header_on_another_history_is_a_conflict(chain: ChainMaker) -> None:
    light = client(chain)
    light.offer(chain.light_block(1), NOW_MS)
    assert isinstance(light.offer(forked(chain, 2, history_root=bytes(32)), NOW_MS), Conflict)
    assert light.head.height == 1


def test_two_final_headers_far_ahead_are_a_conflict(chain: ChainMaker) -> None:
    light = client(chain)
    assert isinstance(light.offer(chain.light_block(6), NOW_MS), NotEnoughTrust)
    assert isinstance(light.offer(chain.light_block(6, signers=(1, 2, 3)), NOW_MS), NotEnoughTrust)
    assert isinstance(light.offer(forked(chain, 6, body_root=bytes(32)), NOW_MS), Conflict)


def test_a_run_may_end_right_before_the_head(chain: ChainMaker) -> None:
    light = client(chain)
    light.offer(chain.light_block(8), NOW_MS)
    assert isinstance(light.take_run(chain.header_run(1, 7), NOW_MS), Advanced)
    assert (light.tip.height, light.behind) == (7, True)
    assert isinstance(light.offer(chain.light_block(8), NOW_MS), Advanced)
    assert (light.head.height, light.behind) == (8, False)


@pytest.mark.parametrize(
    ("changes", "reason"), [({"epoch": 2}, Reason.MALFORMED), ({"validators": 5}, Reason.MALFORMED),
                            ({"time_s": 0}, Reason.TIME)],
)  # fmt: skip
def test_every_header_of_a_run_is_looked_at(chain: ChainMaker, changes, reason: Reason) -> None:
    """Even a quorum cannot make a header final that breaks the rules."""
    light = client(chain)
    light.offer(chain.light_block(8), NOW_MS)
    bad = forked(chain, 2, **changes)
    linked = (chain.headers[0].encode_linked(), bad.header.encode_linked())
    verdict = light.take_run(HeaderRun(1, linked, bad.finality), NOW_MS)
    assert isinstance(verdict, Invalid)
    assert verdict.reason == reason


def test_blocks_of_the_same_second() -> None:
    chain = ChainMaker(devices=1)
    for _ in range(4):
        chain.add([], time_s=chain.time_s)
    light = client(chain)
    assert isinstance(light.offer(chain.light_block(1), NOW_MS), Advanced)
    assert isinstance(light.offer(chain.light_block(2), NOW_MS), Advanced)
    light.offer(chain.light_block(5), NOW_MS)
    assert isinstance(light.take_run(chain.header_run(3, 5), NOW_MS), Advanced)


def test_a_run_that_contradicts_the_target_is_a_conflict(chain: ChainMaker) -> None:
    light = client(chain)
    light.offer(forked(chain, 6, body_root=bytes(32)), NOW_MS)
    assert isinstance(light.take_run(chain.header_run(1, 8), NOW_MS), Conflict)
    assert light.tip.height == 0


@pytest.mark.parametrize("one_by_one", [True, False])
def test_the_checkpoint_of_the_operator_must_be_met(chain: ChainMaker, one_by_one: bool) -> None:
    right = Checkpoint(3, chain.headers[2].hash(chain.chain_id))
    for checkpoint, fine in ((right, True), (replace(right, header_hash=bytes(32)), False)):
        light = client(chain, checkpoint)
        if one_by_one:
            outcomes = [light.offer(chain.light_block(height), NOW_MS) for height in (1, 2, 3)]
        else:
            light.offer(chain.light_block(8), NOW_MS)
            outcomes = [light.take_run(chain.header_run(1, 8), NOW_MS)]
        assert isinstance(outcomes[-1], Advanced if fine else Conflict)
        assert (light.tip.height >= 3) == fine
