"""Handoffs: one rule is broken at a time, by somebody who has every key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_client.protocol import keys
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.handoff import (
    PREDICATES,
    Handoff,
    HandoffCase,
    SeatChange,
    SetProof,
    TrustedSet,
    verify_handoff,
)
from edge_client.protocol.votes import Finality, Quorum
from tests.light_epochs import EpochChain, newcomer, rotating, set_of

CHAIN = rotating()


def case(trusted: int, shown: int, seats: tuple[int, ...] | None = None) -> HandoffCase:
    """The handoff of epoch `shown` for a device that trusts the set of epoch `trusted`."""
    held = CHAIN.handoff(trusted).sets.signing
    return HandoffCase(CHAIN.chain_id, keys.verify, TrustedSet(trusted, held), CHAIN.handoff(shown, seats))


def faults(given: HandoffCase) -> dict[str, Reason]:
    """What each predicate says on its own."""
    found = {}
    for predicate in PREDICATES:
        try:
            predicate(given)
        except ProtocolError as error:
            found[predicate.__name__] = error.reason
    return found


def test_the_next_epochs_set_follows() -> None:
    following = verify_handoff(case(0, 0))
    assert following == TrustedSet(1, CHAIN.handoff(1).sets.signing)


def test_a_hop_is_vouched_for_by_more_than_a_third() -> None:
    assert verify_handoff(case(0, 1)) == TrustedSet(2, CHAIN.handoff(2).sets.signing)


def test_of_four_two_must_be_known() -> None:
    """Seats 0 and 1 are new in epoch 2; of its signers 0, 1, 2 one is known in epoch 0: 1 of 4."""
    assert faults(case(0, 2, (0, 1, 2))) == {"enough_of_the_trusted_signed": Reason.TOO_FEW_SIGNATURES}
    assert faults(case(0, 2, (1, 2, 3))) == {}


def test_exactly_a_third_is_too_few() -> None:
    chain = EpochChain(6).add().end_epoch({seat: newcomer(seat) for seat in range(3)})
    chain.add().end_epoch({5: newcomer(9)})
    trusted = TrustedSet(0, chain.handoff(0).sets.signing)
    two, three = chain.handoff(1, range(5)), chain.handoff(1, range(6))
    few = HandoffCase(chain.chain_id, keys.verify, trusted, two)
    assert faults(few) == {"enough_of_the_trusted_signed": Reason.TOO_FEW_SIGNATURES}
    assert faults(replace(few, handoff=three)) == {}


BREAKS: dict[str, tuple[Callable[[], HandoffCase], str, Reason]] = {
    "of an epoch before": (lambda: case(2, 1), "epoch_is_not_past", Reason.BELOW_STORED_HEIGHT),
    "another set of the trusted epoch": (
        lambda: replace(case(1, 1), trusted=TrustedSet(1, CHAIN.handoff(2).sets.signing)),
        "set_is_the_trusted_one",
        Reason.WRONG_HASH,
    ),
    "two of four signed": (
        lambda: case(0, 0, (0, 1)),
        "signed_by_own_quorum",
        Reason.TOO_FEW_SIGNATURES,
    ),
    "another left node": (lambda: _sets(left=bytes(32)), "sets_are_the_headers", Reason.WRONG_HASH),
    "another newcomer": (
        lambda: _sets(changes=(SeatChange(0, newcomer(77).public_key),)),
        "sets_are_the_headers",
        Reason.WRONG_HASH,
    ),
    "one newcomer kept quiet": (
        lambda: _sets(changes=(SeatChange(1, newcomer(0).public_key),)),
        "sets_are_the_headers",
        Reason.WRONG_HASH,
    ),
    "another header": (lambda: _header(body_root=bytes(32)), "signed_by_own_quorum", Reason.BAD_SIGNATURE),
    "finality of a slot before the header's": (
        lambda: _finality(slot=1),
        "signed_by_own_quorum",
        Reason.MALFORMED,
    ),
    "finality of a slot nobody signed": (
        lambda: _finality(slot=9),
        "signed_by_own_quorum",
        Reason.BAD_SIGNATURE,
    ),
    "another chain": (
        lambda: replace(case(0, 0), chain_id=bytes(32)),
        "signed_by_own_quorum",
        Reason.BAD_SIGNATURE,
    ),
}


def _sets(**changes: object) -> HandoffCase:
    given = case(0, 0)
    sets = replace(given.handoff.sets, **changes)  # type: ignore[arg-type]
    return replace(given, handoff=replace(given.handoff, sets=sets))


def _header(**changes: object) -> HandoffCase:
    given = case(0, 0)
    header = replace(given.handoff.header, **changes)  # type: ignore[arg-type]
    return replace(given, handoff=replace(given.handoff, header=header))


def _finality(slot: int) -> HandoffCase:
    given = case(0, 0)
    quorum = given.handoff.finality.quorum
    return replace(given, handoff=replace(given.handoff, finality=Finality(slot, quorum)))


@pytest.mark.parametrize("name", BREAKS)
def test_one_broken_thing_is_found_by_one_predicate(name: str) -> None:
    broken, predicate, reason = BREAKS[name]
    given = broken()
    assert faults(given) == {predicate: reason}
    with pytest.raises(ProtocolError) as caught:
        verify_handoff(given)
    assert caught.value.reason == reason


def test_finality_may_be_of_a_later_slot() -> None:
    height = CHAIN.boundaries[0]
    later = CHAIN.finality(height, slot=CHAIN.header(height).slot + 3)
    given = case(0, 0)
    verify_handoff(replace(given, handoff=replace(given.handoff, finality=later)))


def test_signers_that_do_not_exist_vouch_for_nothing() -> None:
    handoff = CHAIN.handoff(0)
    signed = handoff.finality.quorum
    quorum = Quorum(signed.signers | 1 << 9, (*signed.signatures, b"x" * 64))
    broken = replace(handoff, finality=Finality(handoff.finality.slot, quorum))
    assert broken.signer_keys == handoff.signer_keys
    assert faults(replace(case(0, 0), handoff=broken)) == {"signed_by_own_quorum": Reason.WRONG_SENDER}


def test_the_bytes_are_the_value() -> None:
    for epoch in range(CHAIN.epoch):
        handoff = CHAIN.handoff(epoch)
        assert Handoff.decode(handoff.encode()) == handoff


def test_sixteen_validators_with_two_changes_fit_the_promise() -> None:
    chain = EpochChain(16).add().end_epoch({3: newcomer(3), 9: newcomer(9)})
    assert len(chain.handoff(0).encode()) <= 1500


BAD_CHANGES = {
    "none": (),
    "a seat that is not there": (SeatChange(4, newcomer(1).public_key),),
    "the same key again": (SeatChange(0, CHAIN.handoff(0).sets.signing.keys[0]),),
    "a seat twice": (SeatChange(0, newcomer(1).public_key), SeatChange(0, newcomer(2).public_key)),
    "not ascending": (SeatChange(2, newcomer(1).public_key), SeatChange(0, newcomer(2).public_key)),
    "one key on two seats": (SeatChange(0, newcomer(1).public_key), SeatChange(1, newcomer(1).public_key)),
    "a key that has a seat": (SeatChange(0, CHAIN.handoff(0).sets.signing.keys[1]),),
}


@pytest.mark.parametrize("name", BAD_CHANGES)
def test_changes_that_cannot_be_are_no_handoff(name: str) -> None:
    handoff = CHAIN.handoff(0)
    broken = replace(handoff, sets=replace(handoff.sets, changes=BAD_CHANGES[name]))
    with pytest.raises(DecodeError):
        Handoff.decode(broken.encode())


def test_a_key_that_signs_twice_is_no_handoff() -> None:
    handoff = CHAIN.handoff(0)
    data = handoff.encode()
    first, second = handoff.sets.signing.keys[:2]
    with pytest.raises(DecodeError):
        Handoff.decode(data.replace(second, first))


def test_two_seats_may_swap() -> None:
    """Not what elections do, but a set is a set."""
    old = CHAIN.signers
    sets = SetProof.of(CHAIN.blocks[0].app, set_of(old), set_of((old[1], old[0], *old[2:])))
    sets.check()
    assert sets.next == set_of((old[1], old[0], *old[2:]))
