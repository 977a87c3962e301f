"""Proves the stored chain again, from genesis, and says what exactly is proven."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from edge_client.core.trusted import Tip, genesis_tip
from edge_client.core.verify import Case, Invalid, LightRules, first_fault, set_fits
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.light import RUN_HEADERS_MAX, LightBlock, link
from edge_client.protocol.mmr import Peaks


@dataclass(frozen=True, slots=True)
class Proven:
    """Headers 1 to `linked_height` follow one another from genesis; that of `final_height` carries a quorum,
    so all up to it are final, and its leaves show model, accounts, rules and round."""

    linked_height: int
    final_height: int
    signatures: int


def audit(
    rules: LightRules, linked: Iterable[bytes], tip: Tip, head: LightBlock, now_ms: int
) -> Proven | Invalid:
    """Check all stored headers (84 bytes each, from height 1), the tip and the head block."""
    remaining, before = iter(linked), genesis_tip(rules.chain_id)
    while run := list(islice(remaining, RUN_HEADERS_MAX)):
        checked = _link(rules, before, run, head)
        if isinstance(checked, Invalid):
            return checked
        before = checked
    if before != tip:
        return Invalid(Reason.WRONG_HASH, f"headers end at height {before.height}, tip {tip.height}")
    if head.header.height > tip.height:
        return Invalid(Reason.MALFORMED, f"no header of the head's height {head.header.height}")
    # The head's own header was compared on the way; what is left is what only the head shows.
    fault = first_fault(Case(rules, _at(tip, head), head, now_ms))
    return fault or Proven(tip.height, head.header.height, len(head.finality.quorum.signatures))


def _link(rules: LightRules, before: Tip, run: Sequence[bytes], head: LightBlock) -> Tip | Invalid:
    try:
        headers, peaks = link(rules.chain_id, before.peaks, run)
    except ProtocolError as error:
        return Invalid(error.reason, error.detail)
    time_s = before.time_s
    for header in headers:
        if header.time_s < time_s:
            return Invalid(Reason.TIME, f"height {header.height}: time goes back")
        fault = set_fits(rules, header) or _is_head(header, head)
        if fault is not None:
            return fault
        time_s = header.time_s
    return Tip(headers[-1].height, headers[-1].hash(rules.chain_id), time_s, peaks)


def _is_head(header: Header, head: LightBlock) -> Invalid | None:
    if header.height == head.header.height and header != head.header:
        return Invalid(Reason.WRONG_HASH, f"height {header.height}: stored header and head differ")
    return None


def _at(tip: Tip, head: LightBlock) -> Tip:
    """A tip at the head's height, for predicates that compare with the tip."""
    return Tip(head.header.height, b"", min(tip.time_s, head.header.time_s), Peaks(0, ()))
