"""Evidence: two messages one key signed and an honest validator never signs both of [EVI-1].

A pair convicts the key it names and that it verifies under, so nobody has to know which set the key was in.
Epoch and slot stand once: messages of different ones cannot even be written down as a pair. The messages are
in ascending order of their bytes, so a pair has one encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_client.protocol.encoding import Fixed, Layout
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.keys import Verify
from edge_client.protocol.votes import Proposal, Subject, Vote, VoteKind

CONTRADICTIONS = frozenset(
    {
        (VoteKind.NOTARIZE, VoteKind.NOTARIZE),
        (VoteKind.NULLIFY, VoteKind.FINALIZE),
        (VoteKind.FINALIZE, VoteKind.FINALIZE),
    }
)
"""Kinds of two different votes of one slot that an honest validator never casts both of [CON-R3]."""


@dataclass(frozen=True, slots=True)
class VotePair(Fixed):
    """Two votes of one slot that contradict each other."""

    LAYOUT: ClassVar[Layout] = Layout(
        "VotePair",
        ("key", "b32"),
        ("epoch", "u32"),
        ("slot", "u32"),
        ("first_kind", "u8"),
        ("first_height", "u32"),
        ("first_hash", "b32"),
        ("first_signature", "b64"),
        ("second_kind", "u8"),
        ("second_height", "u32"),
        ("second_hash", "b32"),
        ("second_signature", "b64"),
    )
    key: bytes
    epoch: int
    slot: int
    first_kind: int
    first_height: int
    first_hash: bytes
    first_signature: bytes
    second_kind: int
    second_height: int
    second_hash: bytes
    second_signature: bytes

    @classmethod
    def of(cls, key: bytes, one: Vote, other: Vote) -> VotePair:
        """In canonical order. Raises `DecodeError` when the two are no contradiction."""
        first, second = sorted((one, other), key=lambda vote: vote.subject.encode())
        if (first.epoch, first.slot) != (second.epoch, second.slot):
            raise DecodeError("VotePair: votes of two slots")
        pair = cls(
            key,
            first.epoch,
            first.slot,
            *(first.kind, first.height, first.hash, first.signature),
            *(second.kind, second.height, second.hash, second.signature),
        )
        pair.check()
        return pair

    @property
    def subjects(self) -> tuple[Subject, Subject]:
        """What the two votes are about."""
        return (
            Subject(self.first_kind, self.epoch, self.slot, self.first_height, self.first_hash),
            Subject(self.second_kind, self.epoch, self.slot, self.second_height, self.second_hash),
        )

    def check(self) -> None:
        """Refuse what contradicts nothing, and the other order; raises `DecodeError` [EVI-2]."""
        first, second = self.subjects
        first.check()
        second.check()
        if (first.kind, second.kind) not in CONTRADICTIONS or first.encode() >= second.encode():
            raise DecodeError("VotePair: an honest validator may sign both, or they are out of order")

    def verify(self, chain_id: bytes, verify: Verify) -> None:
        """Raise `ProtocolError` unless the key signed both votes for this chain."""
        for subject, signature in zip(
            self.subjects, (self.first_signature, self.second_signature), strict=True
        ):
            if not verify(self.key, subject.signing_bytes(chain_id), signature):
                raise ProtocolError(Reason.BAD_SIGNATURE, f"vote of slot {self.slot} as evidence")


@dataclass(frozen=True, slots=True)
class ProposalPair(Fixed):
    """Two proposals of one slot of one epoch, with different headers."""

    LAYOUT: ClassVar[Layout] = Layout(
        "ProposalPair",
        ("key", "b32"),
        ("slot", "u32"),
        ("first_header", "b116"),
        ("first_signature", "b64"),
        ("second_header", "b116"),
        ("second_signature", "b64"),
    )
    key: bytes
    slot: int
    first_header: bytes
    first_signature: bytes
    second_header: bytes
    second_signature: bytes

    @classmethod
    def of(cls, key: bytes, one: Proposal, other: Proposal) -> ProposalPair:
        """In canonical order. Raises `DecodeError` when the two are no contradiction."""
        first, second = sorted((one, other), key=lambda proposal: proposal.header.encode())
        if first.slot != second.slot:
            raise DecodeError("ProposalPair: proposals of two slots")
        pair = cls(
            key,
            first.slot,
            *(first.header.encode(), first.signature),
            *(second.header.encode(), second.signature),
        )
        pair.check()
        return pair

    @property
    def proposals(self) -> tuple[Proposal, Proposal]:
        """The two; raises `DecodeError` when one is none."""
        return (
            Proposal(self.slot, Header.decode(self.first_header), self.first_signature),
            Proposal(self.slot, Header.decode(self.second_header), self.second_signature),
        )

    def check(self) -> None:
        """Refuse what contradicts nothing, and the other order; raises `DecodeError` [EVI-2]."""
        first, second = self.proposals
        if self.first_header >= self.second_header:
            raise DecodeError("ProposalPair: the same header twice, or out of order")
        if first.header.epoch != second.header.epoch:
            raise DecodeError("ProposalPair: proposals of two epochs")
        if max(first.header.slot, second.header.slot) > self.slot:
            raise DecodeError("ProposalPair: a block is proposed in its own slot or a later one")

    def verify(self, chain_id: bytes, verify: Verify) -> None:
        """Raise `ProtocolError` unless the key signed both proposals for this chain."""
        for proposal in self.proposals:
            proposal.verify(chain_id, self.key, verify)


Evidence = VotePair | ProposalPair
"""Either shows that the holder of `key` is not honest."""


def pair_of(key: bytes, one: Vote | Proposal, other: Vote | Proposal) -> Evidence:
    """The evidence that these two messages of one key are; raises `DecodeError` when they are none."""
    match one, other:
        case Vote(), Vote():
            return VotePair.of(key, one, other)
        case Proposal(), Proposal():
            return ProposalPair.of(key, one, other)
    raise DecodeError("evidence: a vote and a proposal do not contradict each other")
