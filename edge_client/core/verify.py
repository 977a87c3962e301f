"""Whether a light block may be believed: one predicate per check, cheap ones first, signatures last.

A verdict is a value. The block is judged by the validator set of its epoch; how a device comes to know that
set is the matter of `handover.py` (handoffs) and `jump.py` (a bridge over headers it never sees).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_client.core.trusted import Tip
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.handoff import TrustedSet
from edge_client.protocol.header import Header
from edge_client.protocol.keys import Verify
from edge_client.protocol.light import LightBlock
from edge_client.protocol.messages import GetHandoffs, GetHeaders
from edge_client.protocol.votes import Finality

CLOCK_DRIFT_MS = 120_000
"""A header may be this far ahead of a good clock; validators allow one another less."""

TRUSTING_PERIOD_D = 21
"""A validator that left may sell its old key once its bond is back, so old trust must end before that."""

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class LightRules:
    """What never changes while a device follows a chain. `trusting_ms` is how long a header is a good start
    for verifying later ones; 0 is for ever."""

    chain_id: bytes
    t0_s: int
    verify: Verify
    trusting_ms: int = TRUSTING_PERIOD_D * DAY_MS


@dataclass(frozen=True, slots=True)
class Success:
    """Final, and it follows the trusted tip."""


@dataclass(frozen=True, slots=True)
class NotEnoughTrust:
    """It cannot be linked or judged yet; this must be known before."""

    asks: GetHeaders | GetHandoffs


@dataclass(frozen=True, slots=True)
class Invalid:
    """Not to be believed."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Final, like something else at the same place: more than a third of the validators lied."""

    detail: str


@dataclass(frozen=True, slots=True)
class NeedCheckpoint:
    """What is trusted is too old to judge anything: the owner must name a later header."""


Verdict = Success | NotEnoughTrust | Invalid | Conflict | NeedCheckpoint


@dataclass(frozen=True, slots=True)
class Case:
    """One question to the predicates: is this block true, given the tip and a trusted set, at this time?"""

    rules: LightRules
    tip: Tip
    trusted: TrustedSet
    block: LightBlock
    now_ms: int

    @property
    def header(self) -> Header:
        """The header in question."""
        return self.block.header


def verify(case: Case) -> Verdict:
    """Judge a light block whose hash is not that of the tip itself."""
    if trust_has_expired(case.rules, case.tip, case.now_ms):
        return NeedCheckpoint()
    return first_fault(case) or _place(case)


def first_fault(case: Case) -> Invalid | None:
    """Why the block is not final, or None if it is."""
    return _fault(case, PREDICATES)


def cheap_fault(case: Case) -> Invalid | None:
    """What is wrong with the block whoever signed it, or None; the trusted set is not looked at."""
    return _fault(case, OF_THE_BLOCK)


def _fault(case: Case, predicates: tuple[Predicate, ...]) -> Invalid | None:
    for predicate in predicates:
        if (fault := predicate(case)) is not None:
            return fault
    return None


def _place(case: Case) -> Verdict:
    """The block is final; where does it stand relative to the tip?"""
    height, tip = case.header.height, case.tip
    if height == tip.height:
        return Conflict(f"two final headers at height {height}")
    if height > tip.height + 1:
        return NotEnoughTrust(GetHeaders(tip.height + 1, height))
    if case.header.history_root != tip.peaks.root():
        return Conflict(f"final header {height} does not follow ours of height {tip.height}")
    return Success()


# --- time -------------------------------------------------------------------------------------------------


def clock_is_good(rules: LightRules, tip: Tip, now_ms: int) -> bool:
    """A board without a battery-backed clock may live in the past; then its clock says nothing."""
    return now_ms + CLOCK_DRIFT_MS >= chain_ms(rules, tip.time_s)


def trust_has_expired(rules: LightRules, tip: Tip, now_ms: int) -> bool:
    """Whether the tip is as old as the trusting period; by a clock that is never behind the tip [LGT-6]."""
    age_ms = now_ms - chain_ms(rules, tip.time_s)
    return rules.trusting_ms > 0 and age_ms >= rules.trusting_ms


def chain_ms(rules: LightRules, time_s: int) -> int:
    """Chain time as Unix milliseconds."""
    return (rules.t0_s + time_s) * 1000


def future_fault(rules: LightRules, tip: Tip, header: Header, now_ms: int) -> Invalid | None:
    """Checked only against a clock that is not itself behind the chain."""
    ahead_ms = chain_ms(rules, header.time_s) - now_ms
    if ahead_ms > CLOCK_DRIFT_MS and clock_is_good(rules, tip, now_ms):
        return Invalid(Reason.TIME, f"{ahead_ms // 1000} s in the future")
    return None


# --- predicates that look at the block --------------------------------------------------------------------


def not_below_tip(case: Case) -> Invalid | None:
    """Retained messages may be old, and an MQTT server may replay them."""
    if case.header.height < case.tip.height:
        return Invalid(Reason.BELOW_STORED_HEIGHT, f"height {case.header.height}, have {case.tip.height}")
    return None


def time_not_before_tip(case: Case) -> Invalid | None:
    """Chain time never decreases."""
    if case.header.height > case.tip.height and case.header.time_s < case.tip.time_s:
        return Invalid(Reason.TIME, f"{case.header.time_s} s, before {case.tip.time_s} s")
    return None


def time_not_in_future(case: Case) -> Invalid | None:
    """See `future_fault`."""
    return future_fault(case.rules, case.tip, case.header, case.now_ms)


def app_leaves_fit(case: Case) -> Invalid | None:
    """Model, state and validator roots are those the header commits to."""
    return _hash_fits(case.block.app.root(), case.header.app_root, "app leaves")


def state_leaves_fit(case: Case) -> Invalid | None:
    """Accounts, rules, learning and seats roots are those of the state root."""
    return _hash_fits(case.block.state.root(), case.block.app.state_root, "state leaves")


def learning_fits(case: Case) -> Invalid | None:
    """The open round is the one of the learning root."""
    return _hash_fits(case.block.learning.root(), case.block.state.learning_root, "learning")


# --- predicates that look at the set ----------------------------------------------------------------------


def epoch_and_size_fit(case: Case) -> Invalid | None:
    """The header names the epoch and the size of the set that must have signed it."""
    return set_fits(case.trusted, case.header)


def set_fits(trusted: TrustedSet, header: Header) -> Invalid | None:
    """The same for a bare header."""
    if header.epoch != trusted.epoch or header.validators != trusted.validators.count:
        detail = f"epoch {header.epoch} with {header.validators} validators"
        return Invalid(Reason.MALFORMED, detail)
    return None


def validators_fit(case: Case) -> Invalid | None:
    """The header commits to the set that is trusted for its epoch. The next set is the block's own matter."""
    return _hash_fits(case.block.app.validators_root, case.trusted.validators.root(), "validator set")


def signed_by_quorum(case: Case) -> Invalid | None:
    """More than two thirds of the set voted to finalise exactly this header of this chain."""
    return quorum_signed(case.rules, case.trusted, case.header, case.block.finality)


def quorum_signed(
    rules: LightRules, trusted: TrustedSet, header: Header, finality: Finality
) -> Invalid | None:
    """The same for the last header of a run."""
    try:
        finality.verify(header, rules.chain_id, trusted.validators, rules.verify)
    except ProtocolError as error:
        return Invalid(error.reason, error.detail)
    return None


def _hash_fits(found: bytes, expected: bytes, what: str) -> Invalid | None:
    if found != expected:
        return Invalid(Reason.WRONG_HASH, f"{what} {found.hex()[:16]}, not {expected.hex()[:16]}")
    return None


Predicate = Callable[[Case], Invalid | None]

OF_THE_BLOCK: tuple[Predicate, ...] = (
    not_below_tip,
    time_not_before_tip,
    time_not_in_future,
    app_leaves_fit,
    state_leaves_fit,
    learning_fits,
)
OF_THE_SET: tuple[Predicate, ...] = (epoch_and_size_fit, validators_fit, signed_by_quorum)
PREDICATES = (*OF_THE_BLOCK, *OF_THE_SET)
"""Every check, in the order in which they are made."""
