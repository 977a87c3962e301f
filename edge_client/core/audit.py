"""Proves the stored chain again, from genesis, and says what exactly is proven."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from edge_client.core.trusted import Tip, genesis_tip
from edge_client.core.trusted_sets import TrustedSets
from edge_client.core.verify import Case, Invalid, LightRules, first_fault
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.handoff import Handoff, HandoffCase, TrustedSet, verify_handoff
from edge_client.protocol.header import Header
from edge_client.protocol.light import RUN_HEADERS_MAX, LightBlock, link
from edge_client.protocol.mmr import Peaks
from edge_client.protocol.validators import ValidatorSet


@dataclass(frozen=True, slots=True)
class Held:
    """What a device has stored: headers (84 bytes each, from height 1), the tip, the head block, and how it
    came from the validators of genesis to those of the head."""

    linked: Iterable[bytes]
    tip: Tip
    head: LightBlock
    handoffs: Sequence[Handoff]


@dataclass(frozen=True, slots=True)
class Proven:
    """Headers 1 to `linked_height` follow one another from genesis; that of `final_height` carries a quorum
    of the set of `epoch`, so all up to it are final, and its leaves show model, accounts, rules and round.
    That set was reached from genesis by so many handoffs."""

    linked_height: int
    final_height: int
    signatures: int
    epoch: int
    handoffs: int


def audit(rules: LightRules, genesis: ValidatorSet, held: Held, now_ms: int) -> Proven | Invalid:
    """Check everything that is stored."""
    try:
        sets = _sets(rules, genesis, held.handoffs)
        reached = _link_all(rules, held, sets)
    except ProtocolError as error:
        return Invalid(error.reason, error.detail)
    tip, head = held.tip, held.head
    if reached != tip:
        return Invalid(Reason.WRONG_HASH, f"headers end at height {reached.height}, tip {tip.height}")
    if head.header.height > tip.height:
        return Invalid(Reason.MALFORMED, f"no header of the head's height {head.header.height}")
    epoch, validators = head.header.epoch, sets.of(head.header.epoch)
    if validators is None:
        return Invalid(Reason.MALFORMED, f"no handoff leads to the validators of epoch {epoch}")
    # The head's own header was compared on the way; what is left is what only the head shows.
    fault = first_fault(Case(rules, _at(tip, head), TrustedSet(epoch, validators), head, now_ms))
    signatures = len(head.finality.quorum.signatures)
    return fault or Proven(tip.height, head.header.height, signatures, epoch, len(held.handoffs))


def _sets(rules: LightRules, genesis: ValidatorSet, handoffs: Sequence[Handoff]) -> TrustedSets:
    """All validator sets that the stored handoffs lead to; raises `ProtocolError`."""
    sets = TrustedSets(TrustedSet(0, genesis))
    for handoff in handoffs:
        trusted = sets.nearest(handoff.epoch) or sets.signing
        verify_handoff(HandoffCase(rules.chain_id, rules.verify, trusted, handoff))
        sets.adopt(handoff)
    return sets


def _link_all(rules: LightRules, held: Held, sets: TrustedSets) -> Tip:
    """Link every stored header; raises `ProtocolError`."""
    remaining, tip, epoch = iter(held.linked), genesis_tip(rules.chain_id), 0
    while run := list(islice(remaining, RUN_HEADERS_MAX)):
        headers, peaks = link(rules.chain_id, tip.peaks, run)
        time_s = tip.time_s
        for header in headers:
            if header.time_s < time_s or header.epoch not in (epoch, epoch + 1):
                raise ProtocolError(Reason.MALFORMED, f"height {header.height}: time or epoch out of order")
            _compare(header, held.head)
            time_s, epoch = header.time_s, header.epoch
        if sets.contradicts(headers):
            raise ProtocolError(Reason.WRONG_HASH, "an epoch ends at another header than its handoff shows")
        tip = Tip(headers[-1].height, headers[-1].hash(rules.chain_id), time_s, peaks)
    return tip


def _compare(header: Header, head: LightBlock) -> None:
    if header.height == head.header.height and header != head.header:
        detail = f"height {header.height}: stored header and head differ"
        raise ProtocolError(Reason.WRONG_HASH, detail)


def _at(tip: Tip, head: LightBlock) -> Tip:
    """A tip at the head's height, for predicates that compare with the tip."""
    return Tip(head.header.height, b"", min(tip.time_s, head.header.time_s), Peaks(0, ()))
