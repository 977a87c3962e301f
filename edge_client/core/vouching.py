"""Going on from a header the owner vouches for, when what the device verified itself is too old [LGT-9]."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.core.trusted import Tip
from edge_client.core.trusted_sets import TrustedSets
from edge_client.core.verify import LightRules
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.handoff import Handoff, TrustedSet
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.mmr_extension import Extended, extend
from edge_client.protocol.proofs import AncestorProof
from edge_client.protocol.vouched import Vouched


@dataclass(frozen=True, slots=True)
class Vouching:
    """How the owner's word showed the validators of its epoch: the end of the epoch before, which stands in
    the history of the header vouched for. No signature leads there from what was trusted."""

    handoff: Handoff
    at: AncestorProof


@dataclass(frozen=True, slots=True)
class Landing:
    """Where the owner's word leads: the new tip, the validators of its epoch, and how they were shown; None
    for those that were trusted before."""

    tip: Tip
    signing: TrustedSet
    vouching: Vouching | None


def land(rules: LightRules, tip: Tip, sets: TrustedSets, checkpoint: Checkpoint, vouched: Vouched) -> Landing:
    """Check what is shown of the checkpoint; raises `ProtocolError`."""
    header = vouched.header
    header_hash = header.hash(rules.chain_id)
    if header.height != checkpoint.height or header_hash != checkpoint.header_hash:
        raise ProtocolError(Reason.WRONG_HASH, f"not the header vouched for at height {checkpoint.height}")
    extended = extend(tip.peaks, header.height, vouched.extension)
    if extended.peaks.root() != header.history_root:
        raise ProtocolError(
            Reason.WRONG_HASH, "the history of the header vouched for does not begin with ours"
        )
    signing, vouching = _signing(rules, sets, extended, vouched)
    peaks = extended.peaks.append(header_hash)
    return Landing(Tip(header.height, header_hash, header.time_s, peaks), signing, vouching)


def _signing(
    rules: LightRules, sets: TrustedSets, extended: Extended, vouched: Vouched
) -> tuple[TrustedSet, Vouching | None]:
    """The validators of the header's epoch: those we know, since our history is its own; or those that the
    end of the epoch before names, which stands in its history."""
    epoch, end = vouched.header.epoch, vouched.end
    if epoch == sets.signing.epoch:
        return sets.signing, None
    if end is None or end.handoff.epoch != epoch - 1:
        raise ProtocolError(Reason.MALFORMED, f"the end of epoch {epoch - 1} is not shown")
    boundary = end.handoff.header
    siblings = extended.siblings(boundary.hash(rules.chain_id), boundary.height, end.below)
    if end.handoff.sets.app_root() != boundary.app_root:
        raise ProtocolError(Reason.WRONG_HASH, f"validator sets of epoch {epoch - 1}")
    vouching = Vouching(end.handoff, AncestorProof(boundary, siblings))
    return TrustedSet(epoch, end.handoff.sets.next), vouching
