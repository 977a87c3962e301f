"""Deliberately broken rules. A check that cannot find them proves nothing about the sound ones.

Each deletes one condition of R1-R6 or J2, for all honest validators, as long as `with mutant():` lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from broker.core.consensus import knowledge
from broker.core.consensus.certificates import CertificatePool
from broker.core.consensus.events import FinalBlock
from broker.core.consensus.justification import Parent, parent_of
from broker.core.consensus.log_entries import Entry
from broker.core.consensus.simplex import Simplex
from broker.core.consensus.tree import BlockTree
from broker.core.consensus.witness import HeldProposal, Witness
from edge_client.protocol.header import Header
from edge_client.protocol.validators import ValidatorSet
from edge_client.protocol.votes import Certificate, Proposal, VoteKind, finalize, notarize, nullify
from tests.simulation.consensus_node import Disk

Patch = tuple[Any, str, Any]


@contextmanager
def _patched(*patches: Patch) -> Iterator[None]:
    sound = [(owner, name, owner.__dict__[name]) for owner, name, _ in patches]
    for owner, name, broken in patches:
        setattr(owner, name, broken)
    try:
        yield
    finally:
        for owner, name, original in sound:
            setattr(owner, name, original)


def _shape_without_gaps(header: Header, justification: Sequence[Certificate], root: Parent) -> Parent:
    return parent_of(justification, root)


def _justify_without_gaps(self: CertificatePool, slot: int) -> tuple[Certificate, ...]:
    parents = [one for one in self.notarised() if one.subject.slot < slot]
    return (parents[-1],) if parents else (self.final,) if self.final else ()


def _finalize_after_nullify(self: Simplex) -> bool:
    for certificate in self._known.pool.notarised():
        subject = certificate.subject
        if not self._voted(VoteKind.FINALIZE, subject.slot):
            return self._cast(type(subject)(VoteKind.FINALIZE, *_rest(subject)))
    return False


def _rest(subject: Any) -> tuple[int, int, int, bytes]:
    return subject.epoch, subject.slot, subject.height, subject.hash


def _nullify_after_finalize(self: Simplex) -> bool:
    """Also of the slot just left, whatever was voted there."""
    before = self._slot - 1
    expired = self._timer.elapsed_ms(self._now_ms) >= self._timeout_ms()
    if expired and before > self._final_slot and not self._voted(VoteKind.NULLIFY, before):
        return self._cast(nullify(self._setup.epoch, before))
    return _NULLIFY(self)


_NULLIFY: Callable[[Simplex], bool] = Simplex._nullify


def _finalize_with_notarize(self: Simplex) -> bool:
    held = self._known.witness.proposals.get(self._slot)
    if held and self._voted(VoteKind.NOTARIZE, self._slot) and not self._voted(VoteKind.FINALIZE, self._slot):
        return self._cast(finalize(held.proposal.header, held.hash, self._slot))
    return _FINALIZE(self)


_FINALIZE: Callable[[Simplex], bool] = Simplex._finalize


def _see_every_proposal(self: Witness, proposal: Proposal, header_hash: bytes, _: int) -> None:
    self.proposals[proposal.slot] = HeldProposal(proposal, header_hash)


def _notarize_every_proposal(self: Simplex) -> bool:
    held = self._known.witness.proposals.get(self._slot)
    if held is None or not self._known.may_notarise(held):
        return False
    mine = self._known.witness.ballots.get(self._slot, VoteKind.NOTARIZE, self._me or 0)
    if mine is not None and mine.hash == held.hash:
        return False
    if mine is not None:
        self._known.witness.ballots.drop(mine)
    return self._cast(notarize(held.proposal.header, held.hash, self._slot))


def _advance_on(self: Simplex, head: FinalBlock, seals: bool) -> None:
    _ADVANCE(self, head, seals and False)


_ADVANCE: Callable[..., None] = Simplex._advance


def _no_entries(self: Disk) -> list[Entry]:
    self.log.clear()
    self.sync()
    return []


MUTANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "no gap check": partial(
        _patched,
        (knowledge, "check_shape", _shape_without_gaps),
        (CertificatePool, "justify", _justify_without_gaps),
    ),
    "F after Z": partial(_patched, (Simplex, "_finalize", _finalize_after_nullify)),
    "Z after F": partial(_patched, (Simplex, "_nullify", _nullify_after_finalize)),
    "F without NC": partial(_patched, (Simplex, "_finalize", _finalize_with_notarize)),
    "quorum 2 of 4": partial(
        _patched, (ValidatorSet, "quorum", property(lambda self: max(1, self.count // 2)))
    ),
    "two N": partial(
        _patched,
        (Witness, "see_proposal", _see_every_proposal),
        (Simplex, "_notarize", _notarize_every_proposal),
    ),
    "again without its certificates": partial(
        _patched, (CertificatePool, "justifies_again", lambda self, slot, block_hash: True)
    ),
    "on after the last block": partial(
        _patched, (BlockTree, "may_follow", lambda self, parent: True), (Simplex, "_advance", _advance_on)
    ),
    "no log": partial(_patched, (Disk, "entries", _no_entries)),
}
"""What each leaves out is its name."""
