"""Whether a light block may be believed: one predicate per check, cheap ones first, signatures last.

A verdict is a value. For now the validator set is that of genesis, so a quorum of it makes any header final
by itself; `NotEnoughTrust` therefore only asks for the headers between, without which the device cannot
append to its own history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_client.core.trusted import Tip
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.keys import Verify
from edge_client.protocol.light import LightBlock
from edge_client.protocol.validators import ValidatorSet
from edge_client.protocol.votes import Finality

CLOCK_DRIFT_MS = 120_000
"""A header may be this far ahead of a good clock; validators allow one another less."""


@dataclass(frozen=True, slots=True)
class LightRules:
    """What never changes while a device follows a chain."""

    chain_id: bytes
    validators: ValidatorSet
    t0_s: int
    verify: Verify
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Success:
    """Final, and it follows the trusted tip."""


@dataclass(frozen=True, slots=True)
class NotEnoughTrust:
    """Final, but the headers of these heights are needed to link it to the trusted tip."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Invalid:
    """Not to be believed."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Final, like something else at the same place: more than a third of the validators lied."""

    detail: str


Verdict = Success | NotEnoughTrust | Invalid | Conflict


@dataclass(frozen=True, slots=True)
class Case:
    """One question to the predicates: is this block true, given the tip, at this time?"""

    rules: LightRules
    tip: Tip
    block: LightBlock
    now_ms: int

    @property
    def header(self) -> Header:
        """The header in question."""
        return self.block.header


def verify(case: Case) -> Verdict:
    """Judge a light block whose hash is not that of the tip itself."""
    return first_fault(case) or _place(case)


def first_fault(case: Case) -> Invalid | None:
    """Why the block is not final, or None if it is."""
    for predicate in PREDICATES:
        fault = predicate(case)
        if fault is not None:
            return fault
    return None


def _place(case: Case) -> Verdict:
    """The block is final; where does it stand relative to the tip?"""
    height, tip = case.header.height, case.tip
    if height == tip.height:
        return Conflict(f"two final headers at height {height}")
    if height > tip.height + 1:
        return NotEnoughTrust(tip.height + 1, height)
    if case.header.history_root != tip.peaks.root():
        return Conflict(f"final header {height} does not follow ours of height {tip.height}")
    return Success()


def not_below_tip(case: Case) -> Invalid | None:
    """Retained messages may be old, and an MQTT server may replay them."""
    if case.header.height < case.tip.height:
        return Invalid(Reason.BELOW_STORED_HEIGHT, f"height {case.header.height}, have {case.tip.height}")
    return None


def epoch_and_size_fit(case: Case) -> Invalid | None:
    """The header names the epoch and the size of the set that must have signed it."""
    return set_fits(case.rules, case.header)


def set_fits(rules: LightRules, header: Header) -> Invalid | None:
    """The same for a bare header of a run."""
    if header.epoch != rules.epoch or header.validators != len(rules.validators.keys):
        detail = f"epoch {header.epoch} with {header.validators} validators"
        return Invalid(Reason.MALFORMED, detail)
    return None


def time_not_before_tip(case: Case) -> Invalid | None:
    """Chain time never decreases."""
    if case.header.height > case.tip.height and case.header.time_s < case.tip.time_s:
        return Invalid(Reason.TIME, f"{case.header.time_s} s, before {case.tip.time_s} s")
    return None


def clock_is_good(rules: LightRules, tip: Tip, now_ms: int) -> bool:
    """A board without a battery-backed clock may live in the past; then its clock says nothing."""
    return now_ms + CLOCK_DRIFT_MS >= (rules.t0_s + tip.time_s) * 1000


def time_not_in_future(case: Case) -> Invalid | None:
    """Checked only against a clock that is not itself behind the chain."""
    ahead_ms = (case.rules.t0_s + case.header.time_s) * 1000 - case.now_ms
    if ahead_ms > CLOCK_DRIFT_MS and clock_is_good(case.rules, case.tip, case.now_ms):
        return Invalid(Reason.TIME, f"{ahead_ms // 1000} s in the future")
    return None


def app_leaves_fit(case: Case) -> Invalid | None:
    """Model, state and validator roots are those the header commits to."""
    return _hash_fits(case.block.app.root(), case.header.app_root, "app leaves")


def state_leaves_fit(case: Case) -> Invalid | None:
    """Accounts, rules and learning roots are those of the state root."""
    return _hash_fits(case.block.state.root(), case.block.app.state_root, "state leaves")


def learning_fits(case: Case) -> Invalid | None:
    """The open round is the one of the learning root."""
    return _hash_fits(case.block.learning.root(), case.block.state.learning_root, "learning")


def validators_fit(case: Case) -> Invalid | None:
    """The set stays that of genesis until there are elections."""
    expected, app = case.rules.validators.root(), case.block.app
    return _hash_fits(app.validators_root, expected, "validator set") or _hash_fits(
        app.next_validators_root, expected, "next validator set"
    )


def signed_by_quorum(case: Case) -> Invalid | None:
    """More than two thirds of the set voted to finalise exactly this header of this chain."""
    return quorum_signed(case.rules, case.header, case.block.finality)


def quorum_signed(rules: LightRules, header: Header, finality: Finality) -> Invalid | None:
    """The same for the last header of a run."""
    try:
        finality.verify(header, rules.chain_id, rules.validators, rules.verify)
    except ProtocolError as error:
        return Invalid(error.reason, error.detail)
    return None


def _hash_fits(found: bytes, expected: bytes, what: str) -> Invalid | None:
    if found != expected:
        return Invalid(Reason.WRONG_HASH, f"{what} {found.hex()[:16]}, not {expected.hex()[:16]}")
    return None


PREDICATES: tuple[Callable[[Case], Invalid | None], ...] = (
    not_below_tip,
    epoch_and_size_fit,
    time_not_before_tip,
    time_not_in_future,
    app_leaves_fit,
    state_leaves_fit,
    learning_fits,
    validators_fit,
    signed_by_quorum,
)
"""Every check, in the order in which they are made."""
