"""What a validator does with reports of two final histories [ATK]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from broker.core.attacks import ATTACKS_MAX
from broker.core.consensus import events as on
from broker.core.effects import StoreAttack, StoreEvidence
from broker.core.rate import ATTACK_TOKENS, DEVICE_ASKS
from broker.core.validator import ValidatorEffect
from edge_client.protocol.attack import FinalHeader, LightAttack
from edge_client.protocol.errors import DecodeError, Reason
from edge_client.protocol.evidence import pair_of
from edge_client.protocol.header import Header
from edge_client.protocol.keys import verify
from edge_client.protocol.machine import Note, Refused
from edge_client.protocol.votes import Finality, Quorum, finalize
from tests.builders import make_signers
from tests.lone_validator import LoneValidator, refusals

STRANGER = make_signers(1, "stranger")[0]


@pytest.fixture
def lone() -> LoneValidator:
    """Height 1; alone, so that its own signature is a quorum."""
    return LoneValidator(devices=2)


def signed(lone: LoneValidator, header: Header, by: int = 0) -> FinalHeader:
    message = finalize(header, header.hash(lone.chain_id)).signing_bytes(lone.chain_id)
    signer = lone.signer if by == 0 else make_signers(by + 1)[by]
    return FinalHeader(header, Finality(header.slot, Quorum.of({0: signer.sign(message)})))


def ours(lone: LoneValidator) -> FinalHeader:
    header = lone.store.header(1)
    assert header is not None
    return signed(lone, header)


def forked(lone: LoneValidator, number: int = 1, **changes: Any) -> FinalHeader:
    header = replace(ours(lone).header, app_root=bytes([number]) * 32, **changes)
    return signed(lone, header)


def report(lone: LoneValidator, attack: LightAttack) -> list[ValidatorEffect]:
    lone.now_ms += 10_000
    return lone.ask(STRANGER, attack)


def stored(effects: Sequence[ValidatorEffect]) -> bool:
    return any(isinstance(one, StoreAttack) for one in effects)


def reason(effects: Sequence[ValidatorEffect]) -> Reason:
    (refused,) = refusals(effects)
    return refused.reason


def test_two_final_headers_of_one_height_are_kept_and_said_once(lone: LoneValidator) -> None:
    attack = LightAttack.of(0, ours(lone), forked(lone))
    store, note, *_ = report(lone, attack)
    assert store == StoreAttack(attack.encode())
    assert isinstance(note, Note)
    assert note.event == "light_attack"
    assert lone.store.attacks() == (attack.encode(),)
    lone.start()
    again = report(lone, replace(attack, common=1))
    assert not any(isinstance(one, (StoreAttack, Note, Refused)) for one in again)
    assert lone.store.attacks() == (attack.encode(),)


def accused(effects: Sequence[ValidatorEffect]) -> list[bytes]:
    return [one.pair.key for one in effects if isinstance(one, StoreEvidence)]


def test_who_finalised_both_in_one_slot_is_accused(lone: LoneValidator) -> None:
    effects = report(lone, LightAttack.of(0, ours(lone), forked(lone)))
    assert accused(effects) == [lone.signer.public_key]
    (seen,) = [one for one in effects if isinstance(one, on.Evidence)]
    pair = pair_of(seen.key, seen.first, seen.second)
    pair.verify(lone.chain_id, verify)


def test_who_finalised_in_two_slots_is_not(lone: LoneValidator) -> None:
    """A later slot may finalise another block, and no pair of votes contradicts itself."""
    effects = report(lone, LightAttack.of(0, ours(lone), forked(lone, slot=2)))
    assert stored(effects)
    assert accused(effects) == []


def test_made_up_signatures_under_our_own_header_accuse_nobody(lone: LoneValidator) -> None:
    own = signed(lone, ours(lone).header, by=1)
    effects = report(lone, LightAttack.of(0, own, forked(lone)))
    assert stored(effects)
    assert accused(effects) == []


def test_neither_need_be_ours(lone: LoneValidator) -> None:
    attack = LightAttack.of(0, forked(lone, 1, height=9), forked(lone, 2, height=9))
    assert stored(report(lone, attack))


def test_a_later_header_that_is_not_on_our_chain_convicts(lone: LoneValidator) -> None:
    lone.hand_in(0)
    lone.hand_in(1)
    assert lone.machine.head.height == 2
    attack = LightAttack.of(1, ours(lone), forked(lone, 1, height=2, slot=2))
    assert stored(report(lone, attack))


def test_headers_of_one_history_are_no_attack(lone: LoneValidator) -> None:
    lone.hand_in(0)
    lone.hand_in(1)
    header = lone.store.header(2)
    assert header is not None
    attack = LightAttack.of(0, ours(lone), signed(lone, header))
    assert reason(report(lone, attack)) == Reason.WRONG_HASH


def test_what_lies_above_our_chain_cannot_be_judged(lone: LoneValidator) -> None:
    attack = LightAttack.of(0, ours(lone), forked(lone, 1, height=7))
    assert reason(report(lone, attack)) == Reason.UNKNOWN_BASE
    other_epoch = LightAttack.of(0, ours(lone), forked(lone, 1, epoch=3))
    assert reason(report(lone, other_epoch)) == Reason.UNKNOWN_BASE


def test_a_header_that_nobody_signed_is_no_evidence(lone: LoneValidator) -> None:
    header = forked(lone).header
    attack = LightAttack.of(0, ours(lone), signed(lone, header, by=1))
    assert reason(report(lone, attack)) == Reason.BAD_SIGNATURE
    none = LightAttack.of(0, ours(lone), FinalHeader(header, Finality(1, Quorum(0, ()))))
    assert reason(report(lone, none)) == Reason.TOO_FEW_SIGNATURES
    assert lone.store.attacks() == ()


def test_only_so_many_are_kept(lone: LoneValidator) -> None:
    for number in range(ATTACKS_MAX + 3):
        report(lone, LightAttack.of(0, ours(lone), forked(lone, number)))
    assert len(lone.store.attacks()) == ATTACKS_MAX


def test_reports_are_dear(lone: LoneValidator) -> None:
    attack = LightAttack.of(0, ours(lone), forked(lone))
    asked = [refusals(lone.ask(STRANGER, attack)) for _ in range(DEVICE_ASKS.burst // ATTACK_TOKENS + 1)]
    assert [bool(one) and one[0].reason == Reason.RATE for one in asked][-2:] == [False, True]


def test_one_header_twice_is_no_attack(lone: LoneValidator) -> None:
    one, other = ours(lone), forked(lone)
    attack = LightAttack.of(0, one, other)
    assert attack == LightAttack.of(0, other, one)
    for first, second in ((one, one), (attack.second, attack.first)):
        with pytest.raises(DecodeError):
            LightAttack.decode(LightAttack(0, first, second).encode())
