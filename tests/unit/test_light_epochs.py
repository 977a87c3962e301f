"""The light client over several epochs: handoffs, runs across boundaries, the trusting period, bad clocks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.core.light_client import Advanced, HandedOver, Known, LightClient
from edge_client.core.trusted import Tip, Trusted, genesis_trust, verified_head
from edge_client.core.verify import (
    CLOCK_DRIFT_MS,
    DAY_MS,
    Conflict,
    Invalid,
    LightRules,
    NeedCheckpoint,
    NotEnoughTrust,
)
from edge_client.protocol import keys
from edge_client.protocol.errors import Reason
from edge_client.protocol.handoff import TrustedSet
from edge_client.protocol.messages import GetHandoffs, GetHeaders
from tests.builders import T0_S
from tests.light_epochs import EpochChain, newcomer, rotating, set_of

CHAIN = rotating()
"""Epochs of three blocks; seat e % 4 changes after epoch e; the epoch of blocks 19 to 21 is open."""
NOW_MS = (T0_S + 36_000) * 1000


def client(height: int = 0, trusting_ms: int = 21 * DAY_MS, chain: EpochChain = CHAIN) -> LightClient:
    """One that has followed up to this height."""
    rules = LightRules(chain.chain_id, chain.genesis.t0_s, keys.verify, trusting_ms)
    if not height:
        return LightClient(rules, genesis_trust(chain.genesis))
    header = chain.header(height)
    tip = Tip(height, chain.hash(height), header.time_s, chain.peaks(height))
    signing = TrustedSet(header.epoch, set_of(chain.blocks[height - 1].signers))
    return LightClient(rules, Trusted(tip, verified_head(chain.light_block(height), tip.hash), signing))


def tip_ms(height: int) -> int:
    return (T0_S + 10 * height) * 1000


def test_block_by_block_with_a_handoff_at_each_boundary() -> None:
    light = client()
    for height in range(1, CHAIN.height + 1):
        block, epoch = CHAIN.light_block(height), CHAIN.header(height).epoch
        progress = light.offer(block, NOW_MS)
        if isinstance(progress, NotEnoughTrust):
            assert progress.asks == light.question(NOW_MS) == GetHandoffs(epoch - 1, epoch - 1)
            assert light.behind
            assert light.waiting is None
            handed = light.take_handoffs([CHAIN.handoff(epoch - 1)], NOW_MS)
            assert handed == HandedOver((CHAIN.handoff(epoch - 1),))
            assert light.waiting == block
            progress = light.offer(block, NOW_MS)
        assert isinstance(progress, Advanced)
        assert progress.signing == TrustedSet(epoch, set_of(CHAIN.blocks[height - 1].signers))
        assert not light.behind
        assert light.question(NOW_MS) is None
    assert light.head.height == CHAIN.height


def test_hops_then_one_run_over_all_epochs() -> None:
    light = client(2)
    assert light.offer(CHAIN.light_block(), NOW_MS) == NotEnoughTrust(GetHandoffs(0, 5))
    hops = [CHAIN.handoff(1), CHAIN.handoff(3, (1, 2, 3)), CHAIN.handoff(5, (0, 1, 3))]
    assert isinstance(light.take_handoffs(hops, NOW_MS), HandedOver)
    waiting = light.waiting
    assert waiting is not None
    assert light.offer(waiting, NOW_MS) == NotEnoughTrust(GetHeaders(3, 21))
    progress = light.take_run(CHAIN.header_run(3, 21), NOW_MS)
    assert isinstance(progress, Advanced)
    assert (light.head.height, light.signing.epoch) == (21, 6)


def test_a_run_that_ends_in_an_epoch_nobody_showed_asks_for_its_validators() -> None:
    light = client(2)
    light.offer(CHAIN.light_block(), NOW_MS)
    light.take_handoffs([CHAIN.handoff(1), CHAIN.handoff(3, (1, 2, 3)), CHAIN.handoff(5, (0, 1, 3))], NOW_MS)
    light.offer(CHAIN.light_block(), NOW_MS)
    run = CHAIN.header_run(3, 8)
    assert isinstance(light.take_run(run, NOW_MS), Advanced)  # of epoch 2, which a hop led to
    later = CHAIN.header_run(9, 16)  # of epoch 5: its own handoff was a hop, so it is known
    assert isinstance(light.take_run(later, NOW_MS), Advanced)
    other = client(2)
    other.offer(CHAIN.light_block(), NOW_MS)
    other.take_handoffs([CHAIN.handoff(1), CHAIN.handoff(3, (1, 2, 3)), CHAIN.handoff(5, (0, 1, 3))], NOW_MS)
    other.offer(CHAIN.light_block(), NOW_MS)
    assert other.take_run(CHAIN.header_run(3, 5), NOW_MS).tip.height == 5  # type: ignore[union-attr]


def test_unknown_validators_at_the_end_of_a_run() -> None:
    chain = EpochChain(4)
    for epoch in range(4):
        chain.add(2).end_epoch({0: newcomer(epoch)})
    chain.add(1)
    light = client(1, chain=chain)
    light.offer(chain.light_block(), NOW_MS)
    light.take_handoffs([chain.handoff(3)], NOW_MS)
    light.offer(chain.light_block(), NOW_MS)
    assert light.question(NOW_MS) == GetHeaders(2, 13)
    assert light.take_run(chain.header_run(2, 8), NOW_MS) == NotEnoughTrust(GetHandoffs(0, 1))
    assert light.question(NOW_MS) == GetHandoffs(0, 1)
    light.take_handoffs([chain.handoff(1)], NOW_MS)
    assert light.question(NOW_MS) == GetHeaders(2, 13)
    assert isinstance(light.take_run(chain.header_run(2, 8), NOW_MS), Advanced)
    assert isinstance(light.take_run(chain.header_run(9, 13), NOW_MS), Advanced)
    assert light.head.height == 13


def test_a_boundary_elsewhere_than_the_handoff_showed_is_a_conflict() -> None:
    light = client(2)
    forged = CHAIN.forged_handoff(0, body_root=bytes(32))
    assert isinstance(light.take_handoffs([forged], NOW_MS), HandedOver)
    block = CHAIN.light_block(5)
    light.offer(block, NOW_MS)
    verdict = light.take_run(CHAIN.header_run(3, 5), NOW_MS)
    assert isinstance(verdict, Conflict)
    assert light.tip.height == 2


def test_two_ends_of_one_epoch_are_a_conflict() -> None:
    light = client(2)
    light.take_handoffs([CHAIN.handoff(0)], NOW_MS)
    assert light.take_handoffs([CHAIN.handoff(0)], NOW_MS) == Known()
    forged = CHAIN.forged_handoff(0, body_root=bytes(32))
    assert isinstance(light.take_handoffs([forged], NOW_MS), Conflict)


def test_an_epoch_that_ends_below_the_tip_is_a_conflict() -> None:
    light = client(2)
    forged = CHAIN.forged_handoff(0, height=1, time_s=10)
    assert isinstance(light.take_handoffs([forged], NOW_MS), Conflict)
    other = client(3)
    assert isinstance(other.take_handoffs([CHAIN.forged_handoff(0, body_root=bytes(32))], NOW_MS), Conflict)
    assert isinstance(other.take_handoffs([CHAIN.handoff(0)], NOW_MS), HandedOver)


def test_all_handoffs_or_none() -> None:
    light = client(2)
    bad = CHAIN.handoff(1, (0, 1))
    assert isinstance(light.take_handoffs([CHAIN.handoff(0), bad], NOW_MS), Invalid)
    assert light.latest.epoch == 0


@pytest.mark.parametrize(("epoch", "height"), [(9, 5), (1 << 31, 12)])
def test_an_epoch_that_cannot_be_there_yet(epoch: int, height: int) -> None:
    light = client(2)
    block = CHAIN.light_block(height)
    verdict = light.offer(replace(block, header=replace(block.header, epoch=epoch)), NOW_MS)
    assert isinstance(verdict, Invalid)
    assert verdict.reason == Reason.MALFORMED
    assert not light.behind


def test_a_block_of_an_unknown_epoch_must_hold_together_to_be_waited_for() -> None:
    light = client(2)
    block = CHAIN.light_block(5)
    broken = replace(block, app=replace(block.app, model_root=bytes(32)))
    assert isinstance(light.offer(broken, NOW_MS), Invalid)
    assert light.question(NOW_MS) is None


def test_a_block_of_a_known_epoch_ends_the_waiting() -> None:
    light = client(2)
    light.offer(CHAIN.light_block(5), NOW_MS)
    assert isinstance(light.offer(CHAIN.light_block(3), NOW_MS), Advanced)
    assert (light.behind, light.question(NOW_MS)) == (False, None)


@pytest.mark.parametrize(("age_ms", "good"), [(DAY_MS - 1, True), (DAY_MS, False)])
def test_trust_ends_with_the_trusting_period(age_ms: int, good: bool) -> None:
    now_ms = tip_ms(2) + age_ms
    for offer in (
        lambda light: light.offer(CHAIN.light_block(3), now_ms),
        lambda light: light.take_handoffs([CHAIN.handoff(0)], now_ms),
    ):
        light = client(2, trusting_ms=DAY_MS)
        assert isinstance(offer(light), (Advanced, HandedOver) if good else NeedCheckpoint)
        assert light.is_expired(now_ms) == (not good)


def test_a_run_is_too_late_then_as_well() -> None:
    light = client(2, trusting_ms=DAY_MS)
    assert isinstance(light.offer(CHAIN.light_block(3 + 0), tip_ms(2)), Advanced)
    light = client(1, trusting_ms=DAY_MS)
    light.offer(CHAIN.light_block(3), tip_ms(3))
    assert light.take_run(CHAIN.header_run(2, 3), tip_ms(1) + DAY_MS) == NeedCheckpoint()
    assert light.tip.height == 1


def test_for_ever_is_for_ever() -> None:
    light = client(2, trusting_ms=0)
    assert isinstance(light.offer(CHAIN.light_block(3), tip_ms(2) + 10_000 * DAY_MS), Advanced)


def test_a_clock_in_the_past_ends_no_trust_and_allows_no_hop() -> None:
    past_ms = tip_ms(2) - CLOCK_DRIFT_MS - 1
    light = client(2)
    assert not light.has_good_clock(past_ms)
    assert light.offer(CHAIN.light_block(), past_ms) == NotEnoughTrust(GetHandoffs(0, 0))
    hop = CHAIN.handoff(1)
    verdict = light.take_handoffs([hop], past_ms)
    assert isinstance(verdict, Invalid)
    assert verdict.reason == Reason.TIME
    assert isinstance(light.take_handoffs([CHAIN.handoff(0), hop], past_ms), HandedOver)
    assert light.question(past_ms) == GetHandoffs(2, 2)
    assert isinstance(client(2).take_handoffs([hop], tip_ms(6)), HandedOver)


def test_a_handoff_from_the_future() -> None:
    light = client(2)
    now_ms = tip_ms(2)
    ahead = CHAIN.forged_handoff(0, time_s=20 + CLOCK_DRIFT_MS // 1000 + 1)
    verdict = light.take_handoffs([ahead], now_ms)
    assert isinstance(verdict, Invalid)
    assert verdict.reason == Reason.TIME
    assert isinstance(light.take_handoffs([ahead], now_ms + 1000), HandedOver)


def test_a_handoff_from_before_the_tip() -> None:
    verdict = client(2).take_handoffs([CHAIN.forged_handoff(0, time_s=19)], NOW_MS)
    assert isinstance(verdict, Invalid)
    assert verdict.reason == Reason.TIME
