"""Whether a handoff may be believed by a device that has a tip, a clock and other handoffs [HND-4]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_client.core.trusted import Tip
from edge_client.core.trusted_sets import TrustedSets
from edge_client.core.verify import Conflict, Invalid, LightRules, clock_is_good, future_fault
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.handoff import Handoff, HandoffCase, verify_handoff
from edge_client.protocol.header import Header


@dataclass(frozen=True, slots=True)
class Handover:
    """One question: does this handoff lead on from what is trusted, at this time?"""

    rules: LightRules
    tip: Tip
    sets: TrustedSets
    handoff: Handoff
    now_ms: int

    @property
    def header(self) -> Header:
        """The last of its epoch."""
        return self.handoff.header


def admit(case: Handover) -> Invalid | Conflict | None:
    """None when the handoff is to be adopted."""
    trusted = case.sets.nearest(case.handoff.epoch)
    if trusted is None:
        return Invalid(Reason.BELOW_STORED_HEIGHT, f"handoff of epoch {case.handoff.epoch}")
    faults = (predicate(case) for predicate in PREDICATES)
    fault = next((one for one in faults if one is not None), None)
    if fault is not None:
        return fault
    try:
        verify_handoff(HandoffCase(case.rules.chain_id, case.rules.verify, trusted, case.handoff))
    except ProtocolError as error:
        return Invalid(error.reason, error.detail)
    return _place(case)


def handoff_is_not_from_the_future(case: Handover) -> Invalid | None:
    """As for light blocks."""
    return future_fault(case.rules, case.tip, case.header, case.now_ms)


def handoff_is_not_before_the_tip(case: Handover) -> Invalid | None:
    """An epoch that has not ended yet ends no earlier than its blocks."""
    if case.header.height > case.tip.height and case.header.time_s < case.tip.time_s:
        return Invalid(Reason.TIME, f"{case.header.time_s} s, before {case.tip.time_s} s")
    return None


def hops_only_by_a_good_clock(case: Handover) -> Invalid | None:
    """Who does not know how old its trust is steps over no epoch: each set must vouch for the next."""
    if case.sets.of(case.handoff.epoch) is None and not clock_is_good(case.rules, case.tip, case.now_ms):
        return Invalid(Reason.TIME, "a hop, and the clock is behind the chain")
    return None


PREDICATES: tuple[Callable[[Handover], Invalid | None], ...] = (
    handoff_is_not_before_the_tip,
    handoff_is_not_from_the_future,
    hops_only_by_a_good_clock,
)
"""Every check that needs the tip or the clock; `handoff.PREDICATES` follow."""


def _place(case: Handover) -> Conflict | None:
    """The handoff is final; does the chain that is known end this epoch there?"""
    header, tip = case.header, case.tip
    known = case.sets.boundary(header.epoch)
    if known is not None and known != header:
        return Conflict(f"two final headers end epoch {header.epoch}")
    if header.height < tip.height:
        return Conflict(f"epoch {header.epoch} ends at height {header.height}, below ours of {tip.height}")
    if header.height == tip.height and header.hash(case.rules.chain_id) != tip.hash:
        return Conflict(f"two final headers at height {tip.height}")
    following = case.sets.of(header.epoch + 1)
    if following is not None and following != case.handoff.sets.next:
        return Conflict(f"two validator sets of epoch {header.epoch + 1}")
    return None
