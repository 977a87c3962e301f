"""Rules J1-J4: the certificates a block carries and the parent they name (ADR 0004, PROTOCOL §Consensus).

J1 The parent certificate comes first: NC or FC of the parent. Only a block on the epoch's root has none.
J2 Then one ZC for each slot between that certificate's and the block's, in ascending order, nothing else.
J3 At most SKIPPED_SLOTS_MAX slots lie between.
J4 Every certificate is of the block's epoch and verifies; the block's height is its parent's plus one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.votes import Certificate, VoteKind

SKIPPED_SLOTS_MAX = 1024


@dataclass(frozen=True, slots=True)
class Parent:
    """What a justification says a block stands on, and the slot of the certificate that says so."""

    hash: bytes
    height: int
    slot: int

    @classmethod
    def genesis(cls, chain_id: bytes) -> Parent:
        """Root of the first epoch: the chain id is leaf 0 of the history."""
        return cls(chain_id, 0, 0)


def parent_of(justification: Sequence[Certificate], root: Parent) -> Parent:
    """The parent named by J1; the epoch's root when no block is named."""
    if justification and justification[0].subject.kind != VoteKind.NULLIFY:
        subject = justification[0].subject
        return Parent(subject.hash, subject.height, subject.slot)
    return root


def check_shape(header: Header, justification: Sequence[Certificate], root: Parent) -> Parent:
    """The parent, or `ProtocolError` when J1-J4 do not hold; signatures are the caller's to verify."""
    parent = parent_of(justification, root)
    skipped = header.slot - parent.slot - 1
    if not 0 <= skipped <= SKIPPED_SLOTS_MAX or header.height != parent.height + 1:
        detail = f"slot {header.slot} height {header.height} on slot {parent.slot} height {parent.height}"
        raise ProtocolError(Reason.INVALID_BLOCK, detail)
    nullified = justification if parent == root else justification[1:]
    expected = [(VoteKind.NULLIFY, slot) for slot in range(parent.slot + 1, header.slot)]
    if [(one.subject.kind, one.subject.slot) for one in nullified] != expected:
        detail = f"slots {parent.slot + 1} to {header.slot - 1} are not all nullified"
        raise ProtocolError(Reason.INVALID_BLOCK, detail)
    if any(one.subject.epoch != header.epoch for one in justification):
        raise ProtocolError(Reason.INVALID_BLOCK, "justification of another epoch")
    return parent
