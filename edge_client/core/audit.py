"""Proves the stored chain again, from genesis, and says what exactly is proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from edge_client.core.segments import History, Segment, siblings_under
from edge_client.core.trusted import Tip, genesis_tip
from edge_client.core.trusted_sets import TrustedSets
from edge_client.core.verify import Case, Invalid, LightRules, first_fault
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.handoff import Handoff, HandoffCase, TrustedSet, verify_handoff
from edge_client.protocol.header import Header
from edge_client.protocol.light import RUN_HEADERS_MAX, LightBlock, link
from edge_client.protocol.mmr import Peaks
from edge_client.protocol.mmr_extension import extend
from edge_client.protocol.validators import ValidatorSet

EPOCHS_MAX = 1 << 32


@dataclass(frozen=True, slots=True)
class Held:
    """What a device has stored: headers, the tip, the head block, and how it came from the validators of
    genesis to those of the head."""

    history: History
    tip: Tip
    head: LightBlock
    handoffs: Sequence[Handoff]
    vouched: Sequence[Handoff] = ()
    """Those that the owner's word showed: nothing but their place in the history speaks for them."""


@dataclass(frozen=True, slots=True)
class Proven:
    """The headers of `linked`, stretches of (first, last) heights, follow one another from genesis; over the
    gaps between them each history is shown to begin with the one before. That of `final_height` carries a
    quorum of the set of `epoch`, so all up to it are final, and its leaves show model, accounts, rules and
    round. That set was reached from genesis by so many handoffs. The headers of the heights `shown`, which
    lie in gaps, stand in the same history. `vouched` times the owner's word led to later validators."""

    linked: tuple[tuple[int, int], ...]
    final_height: int
    signatures: int
    epoch: int
    handoffs: int
    shown: tuple[int, ...] = ()
    vouched: int = 0


@dataclass(slots=True)
class _Linked:
    """How far linking came, the stretches and the single headers in gaps that it met."""

    tip: Tip
    epoch: int = 0
    stretches: list[tuple[int, int]] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)

    def check(self, vouched: Sequence[Handoff]) -> None:
        """Raise `ProtocolError` unless the header of each was met, in a gap or in a stretch."""
        for handoff in vouched:
            height = handoff.header.height
            if height not in self.shown and not any(
                first <= height <= last for first, last in self.stretches
            ):
                raise ProtocolError(Reason.MALFORMED, f"header {height}, that was vouched for, is not stored")


def audit(rules: LightRules, genesis: ValidatorSet, held: Held, now_ms: int) -> Proven | Invalid:
    """Check everything that is stored."""
    try:
        sets = _sets(rules, genesis, held)
        linked = _link_all(rules, held, sets)
        linked.check(held.vouched)
    except ProtocolError as error:
        return Invalid(error.reason, error.detail)
    tip, head = held.tip, held.head
    if linked.tip != tip:
        return Invalid(Reason.WRONG_HASH, f"headers end at height {linked.tip.height}, tip {tip.height}")
    if head.header.height > tip.height:
        return Invalid(Reason.MALFORMED, f"no header of the head's height {head.header.height}")
    epoch, validators = head.header.epoch, sets.of(head.header.epoch)
    if validators is None:
        return Invalid(Reason.MALFORMED, f"no handoff leads to the validators of epoch {epoch}")
    # The head's own header was compared on the way; what is left is what only the head shows.
    fault = first_fault(Case(rules, _at(tip, head), TrustedSet(epoch, validators), head, now_ms))
    signatures = len(head.finality.quorum.signatures)
    return fault or Proven(
        linked=tuple(linked.stretches),
        final_height=head.header.height,
        signatures=signatures,
        epoch=epoch,
        handoffs=len(held.handoffs),
        shown=tuple(linked.shown),
        vouched=len(held.vouched),
    )


def _sets(rules: LightRules, genesis: ValidatorSet, held: Held) -> TrustedSets:
    """All validator sets that the stored handoffs lead to; raises `ProtocolError`."""
    sets = TrustedSets(TrustedSet(0, genesis))
    vouched = {one.epoch: one for one in held.vouched}
    for handoff in sorted((*held.vouched, *held.handoffs), key=lambda one: one.epoch):
        if handoff == vouched.get(handoff.epoch):
            _stands_in_history(handoff, held.history)
        else:
            _verify(rules, sets, handoff)
        sets.adopt(handoff)
    return sets


def _stands_in_history(handoff: Handoff, history: History) -> None:
    """Its header names its sets, and is the one shown at its height, if one is."""
    header, shown = handoff.header, history.shown.get(handoff.header.height)
    if handoff.sets.app_root() != header.app_root or (shown is not None and shown.header != header):
        raise ProtocolError(Reason.WRONG_HASH, f"the end of epoch {handoff.epoch} that was vouched for")


def _verify(rules: LightRules, sets: TrustedSets, handoff: Handoff) -> None:
    """Some set that was known when it came vouches for it; raises `ProtocolError` when none does."""
    error = ProtocolError(Reason.MALFORMED, f"handoff of epoch {handoff.epoch}")
    for trusted in sets.until(handoff.epoch):
        try:
            verify_handoff(HandoffCase(rules.chain_id, rules.verify, trusted, handoff))
        except ProtocolError as found:
            error = found
        else:
            return
        if trusted.epoch == handoff.epoch:
            break
    raise error


def _link_all(rules: LightRules, held: Held, sets: TrustedSets) -> _Linked:
    """Link every stored header; raises `ProtocolError`."""
    linked = _Linked(genesis_tip(rules.chain_id))
    for segment in held.history.segments:
        remaining, epochs_max = iter(segment.linked), 1
        if segment.extension:
            _cross(rules.chain_id, held.history, segment, linked)
            epochs_max = EPOCHS_MAX
        while run := list(islice(remaining, RUN_HEADERS_MAX)):
            headers, peaks = link(rules.chain_id, linked.tip.peaks, run)
            _in_order(headers, linked.tip.time_s, linked.epoch, epochs_max)
            epochs_max = 1
            _compare(headers, held.head)
            if sets.contradicts(headers):
                detail = "an epoch ends at another header than its handoff shows"
                raise ProtocolError(Reason.WRONG_HASH, detail)
            last = headers[-1]
            linked.tip = Tip(last.height, last.hash(rules.chain_id), last.time_s, peaks)
            linked.epoch = last.epoch
        if linked.tip.height >= segment.first:
            linked.stretches.append((segment.first, linked.tip.height))
    return linked


def _cross(chain_id: bytes, history: History, segment: Segment, linked: _Linked) -> None:
    """Go over a gap; what is shown in it stands there. Raises `ProtocolError`."""
    extended = extend(linked.tip.peaks, segment.first, segment.extension)
    for shown in history.shown_between(linked.tip.height + 1, segment.first):
        siblings_under(chain_id, shown, extended.peaks)
        linked.shown.append(shown.header.height)
    linked.tip = replace(linked.tip, height=segment.first - 1, peaks=extended.peaks)


def _in_order(headers: Sequence[Header], time_s: int, epoch: int, epochs_max: int) -> None:
    """Neither time nor epoch goes back; the first header is at most `epochs_max` epochs further on."""
    for header in headers:
        if header.time_s < time_s or not 0 <= header.epoch - epoch <= epochs_max:
            raise ProtocolError(Reason.MALFORMED, f"height {header.height}: time or epoch out of order")
        time_s, epoch, epochs_max = header.time_s, header.epoch, 1


def _compare(headers: Sequence[Header], head: LightBlock) -> None:
    at = head.header.height - headers[0].height
    if 0 <= at < len(headers) and headers[at] != head.header:
        detail = f"height {head.header.height}: stored header and head differ"
        raise ProtocolError(Reason.WRONG_HASH, detail)


def _at(tip: Tip, head: LightBlock) -> Tip:
    """A tip at the head's height, for predicates that compare with the tip."""
    return Tip(head.header.height, b"", min(tip.time_s, head.header.time_s), Peaks(0, ()))
