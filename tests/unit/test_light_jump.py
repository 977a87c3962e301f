"""Jumps of the light client: a head far ahead without the headers between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.core.audit import Held, Proven, audit
from edge_client.core.light_client import JUMP_HEADERS_MIN, Advanced, HandedOver, LightClient
from edge_client.core.segments import History, Segment
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
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.light import LightBlock
from edge_client.protocol.messages import GetHandoffs, GetHeaders
from edge_client.protocol.mmr import peaks_of
from edge_client.protocol.mmr_extension import extension_places
from tests.builders import T0_S
from tests.light_epochs import EpochChain, newcomer, set_of

FIRST = 5
"""What the device has linked."""


@pytest.fixture(scope="module")
def chain() -> EpochChain:
    made = EpochChain(4)
    made.add(JUMP_HEADERS_MIN // 2).end_epoch({0: newcomer(0)})
    return made.add(JUMP_HEADERS_MIN // 2 + 10)


def client(chain: EpochChain, checkpoint: Checkpoint | None = None) -> LightClient:
    header = chain.header(FIRST)
    tip = Tip(FIRST, chain.hash(FIRST), header.time_s, chain.peaks(FIRST))
    head = verified_head(chain.light_block(FIRST), tip.hash)
    signing = TrustedSet(0, set_of(chain.blocks[FIRST - 1].signers))
    rules = LightRules(chain.chain_id, chain.genesis.t0_s, keys.verify)
    light = LightClient(rules, Trusted(tip, head, signing), checkpoint)
    assert isinstance(light.take_handoffs([chain.handoff(0)], now_ms(chain)), HandedOver)
    return light


def now_ms(chain: EpochChain) -> int:
    return (T0_S + chain.header(chain.height).time_s) * 1000


def extension(chain: EpochChain, height: int, above: int = FIRST) -> tuple[bytes, ...]:
    leaves = chain.leaves(height - 1)
    places = extension_places(above + 1, height)
    return tuple(peaks_of(leaves[at << k : (at + 1) << k]).hashes[0] for k, at in places)


def test_a_jump_over_an_epochs_end(chain: EpochChain) -> None:
    light, last = client(chain), chain.height
    progress = light.jump(chain.light_block(), extension(chain, last), now_ms(chain))
    assert isinstance(progress, Advanced)
    assert progress.headers == (chain.header(last),)
    assert progress.extension == extension(chain, last)
    assert (light.tip.height, light.head.height, light.behind) == (last, last, False)
    assert light.tip.peaks == chain.peaks(last)
    assert light.signing.epoch == 1


def test_after_a_jump_the_chain_is_followed_as_ever(chain: EpochChain) -> None:
    light, last = client(chain), chain.height - 2
    light.jump(chain.light_block(last), extension(chain, last), now_ms(chain))
    assert isinstance(light.offer(chain.light_block(last + 1), now_ms(chain)), Advanced)


def test_few_headers_are_linked(chain: EpochChain) -> None:
    light, height = client(chain), FIRST + JUMP_HEADERS_MIN
    verdict = light.jump(chain.light_block(height), extension(chain, height), now_ms(chain))
    assert verdict == NotEnoughTrust(GetHeaders(FIRST + 1, height))
    further = light.jump(chain.light_block(height + 1), extension(chain, height + 1), now_ms(chain))
    assert isinstance(further, Advanced)


def test_validators_come_first(chain: EpochChain) -> None:
    rules = LightRules(chain.chain_id, chain.genesis.t0_s, keys.verify)
    light = LightClient(rules, genesis_trust(chain.genesis))
    shown = extension(chain, chain.height, 0)
    assert light.jump(chain.light_block(), shown, now_ms(chain)) == NotEnoughTrust(GetHandoffs(0, 0))
    light.take_handoffs([chain.handoff(0)], now_ms(chain))
    assert isinstance(light.jump(chain.light_block(), shown, now_ms(chain)), Advanced)


def test_a_clock_behind_the_chain_jumps_nowhere(chain: EpochChain) -> None:
    past_ms = (T0_S + 10 * FIRST) * 1000 - CLOCK_DRIFT_MS - 1
    verdict = client(chain).jump(chain.light_block(), extension(chain, chain.height), past_ms)
    assert verdict == NotEnoughTrust(GetHeaders(FIRST + 1, chain.height))


def test_old_trust_jumps_nowhere(chain: EpochChain) -> None:
    late_ms = (T0_S + 10 * FIRST) * 1000 + 21 * DAY_MS
    shown = extension(chain, chain.height)
    assert client(chain).jump(chain.light_block(), shown, late_ms) == NeedCheckpoint()


def test_no_checkpoint_is_jumped_over(chain: EpochChain) -> None:
    met = Checkpoint(FIRST + 1, chain.hash(FIRST + 1))
    verdict = client(chain, met).jump(chain.light_block(), extension(chain, chain.height), now_ms(chain))
    assert isinstance(verdict, NotEnoughTrust)


def test_a_checkpoint_that_is_jumped_to(chain: EpochChain) -> None:
    shown, last = extension(chain, chain.height), chain.height
    right = client(chain, Checkpoint(last, chain.hash(last)))
    assert isinstance(right.jump(chain.light_block(), shown, now_ms(chain)), Advanced)
    wrong = client(chain, Checkpoint(last, bytes(32)))
    assert isinstance(wrong.jump(chain.light_block(), shown, now_ms(chain)), Conflict)
    assert wrong.tip.height == FIRST


def broken(chain: EpochChain) -> dict[str, tuple[LightBlock, tuple[bytes, ...], Reason]]:
    block, shown = chain.light_block(), extension(chain, chain.height)
    leaves = replace(block.app, model_root=bytes(32))
    return {
        "another hash": (block, (bytes(32), *shown[1:]), Reason.WRONG_HASH),
        "one too few": (block, shown[1:], Reason.MALFORMED),
        "one too many": (block, (*shown, bytes(32)), Reason.MALFORMED),
        "of another start": (block, extension(chain, chain.height, FIRST + 1), Reason.WRONG_HASH),
        "signed by two": (chain.light_block(seats=(0, 1)), shown, Reason.TOO_FEW_SIGNATURES),
        "other leaves": (replace(block, app=leaves), shown, Reason.WRONG_HASH),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["another hash", "one too few", "one too many", "of another start", "signed by two", "other leaves"],
)
def test_what_is_wrong_moves_nothing(chain: EpochChain, name: str) -> None:
    light = client(chain)
    block, shown, reason = broken(chain)[name]
    verdict = light.jump(block, shown, now_ms(chain))
    assert isinstance(verdict, Invalid)
    assert verdict.reason == reason
    assert (light.tip.height, light.head.height) == (FIRST, FIRST)


def held(chain: EpochChain, shown: tuple[bytes, ...]) -> Held:
    last = chain.height
    stored = [chain.header(height).encode_linked() for height in range(1, FIRST + 1)]
    tip = Tip(last, chain.hash(last), chain.header(last).time_s, chain.peaks(last))
    jumped = Segment(last, shown, [chain.header(last).encode_linked()])
    return Held(History([Segment(1, (), stored), jumped]), tip, chain.light_block(), [chain.handoff(0)])


def test_an_audit_says_what_was_jumped_over(chain: EpochChain) -> None:
    rules = LightRules(chain.chain_id, chain.genesis.t0_s, keys.verify)
    true = held(chain, extension(chain, chain.height))
    stretches = ((1, FIRST), (chain.height, chain.height))
    assert audit(rules, chain.genesis.validators, true, 0) == Proven(stretches, chain.height, 3, 1, 1)
    for lie in (
        held(chain, (bytes(32), *extension(chain, chain.height)[1:])),
        replace(true, handoffs=()),
        replace(true, handoffs=[chain.handoff(0, (0, 1))]),
    ):
        assert isinstance(audit(rules, chain.genesis.validators, lie, 0), Invalid)
