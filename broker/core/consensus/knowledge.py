"""What a validator knows: certificates, votes, proposals and valid blocks, checked and bounded on the way in.

It only grows until an FC makes the lower part obsolete, so repeated and reordered messages change nothing.
It signs nothing and waits for nothing; `simplex.py` does. What is of another epoch is passed over: nobody
does wrong who is ahead or behind, and whoever is behind is helped by his host.
"""

from __future__ import annotations

from broker.core.consensus.certificates import CertificatePool
from broker.core.consensus.events import Effect, FinalBlock, Forgotten, Persist, Setup
from broker.core.consensus.justification import SKIPPED_SLOTS_MAX, check_shape
from broker.core.consensus.log_entries import Entry, place_of
from broker.core.consensus.tree import Block, BlockTree, ForkError
from broker.core.consensus.witness import HeldProposal, Witness
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.keys import Verify
from edge_client.protocol.votes import Certificate, Proposal, Subject, Vote, VoteKind

SLOTS_AHEAD_MAX = 16
"""Votes and proposals further ahead are ignored: who is that far behind catches up by certificates."""

EVIDENCE_SLOTS = 64
"""How far below the last final slot signed messages are kept, to convict latecomers."""

CERTIFIED_SLOTS_MAX = 4 * SKIPPED_SLOTS_MAX
"""Slots above the last final one with certificates; honest validators never have a quarter of it open."""


class Knowledge:
    """Everything beside time and intentions. What happens goes to `effects`, which the owner empties."""

    def __init__(self, setup: Setup, verify: Verify, head: FinalBlock) -> None:
        self._setup = setup
        self._verify = verify
        count = setup.validators.count
        self._leaders = [setup.validators.leader(setup.leader_seed, slot) for slot in range(count)]
        self.pool = CertificatePool(head, setup.root)
        self._log_starts_above = self.pool.final_slot
        self.witness = Witness(setup, verify)
        self.tree = BlockTree(head)
        self.effects: list[Effect] = []
        self._seen: dict[Subject, int] = {}

    def restore(self, entry: Entry) -> None:
        """Put back an entry of the own log, which was checked before it was written; not of other epochs."""
        if place_of(entry)[0] != self._setup.epoch:
            return
        if isinstance(entry, Vote):
            self.witness.ballots.hold(entry, checked=True)
        elif isinstance(entry, Proposal):
            self.hold_proposal(entry)
        else:
            self.pool.add(entry)

    @property
    def slot(self) -> int:
        """R5: the current slot follows the highest one with a certificate of any kind."""
        return self.pool.next_slot

    def leader(self, slot: int) -> int:
        """Index of the validator who may propose in `slot`."""
        return self._leaders[slot % len(self._leaders)]

    def hash(self, header: Header) -> bytes:
        """Hash of a header of this chain."""
        return header.hash(self._setup.chain_id)

    def hold_proposal(self, proposal: Proposal) -> None:
        """Keep a proposal known to be genuine."""
        self.witness.proposals[proposal.slot] = HeldProposal(proposal, self.hash(proposal.header))

    def signed_by(self, validator: int, above_slot: int) -> list[Vote | Proposal]:
        """What is held of a validator's proposals and votes."""
        held = self.witness.open_proposals(above_slot + 1)
        proposals = [one.proposal for slot, one in held if self.leader(slot) == validator]
        return [*proposals, *self.witness.ballots.cast_by(validator, above_slot)]

    def take_vote(self, sender: int, vote: Vote) -> None:
        """A validator's own vote, or one of ours that it tells us of; raises `ProtocolError`."""
        me = self._setup.own_index
        if vote.signer not in (sender, me):
            raise ProtocolError(Reason.WRONG_SENDER, f"vote of validator {vote.signer}")
        is_recalled = vote.signer == me and vote.slot > self.slot
        if vote.epoch == self._setup.epoch and (is_recalled or self._in_window(vote.slot)):
            self.count(vote)

    def take_proposal(self, proposal: Proposal) -> None:
        """A proposal, whoever relayed it; raises `ProtocolError`."""
        header = proposal.header
        if header.epoch != self._setup.epoch or not self._in_window(proposal.slot):
            return
        if header.validators != self._setup.validators.count or header.proposer != self.leader(header.slot):
            detail = f"validator {header.proposer} of {header.validators} does not lead slot {header.slot}"
            raise ProtocolError(Reason.WRONG_SENDER, detail)
        is_known = proposal.slot in self.witness.proposals or proposal.slot <= self._log_starts_above
        evidence = self.witness.see_proposal(proposal, self.hash(header), self.leader(proposal.slot))
        if evidence:
            self.effects.append(evidence)
        elif not is_known and self.leader(proposal.slot) == self._setup.own_index:
            self.effects += [Forgotten(proposal), Persist(proposal)]

    def take_certificate(self, certificate: Certificate) -> None:
        """A certificate, whoever relayed it; raises `ProtocolError`, or `ForkError` when it proves a fork.

        One that brings nothing new is only compared with what its signers signed otherwise.
        """
        subject = certificate.subject
        if subject.epoch != self._setup.epoch:
            return
        fresh = not self.pool.settles(subject)
        if fresh and len(self.pool) >= CERTIFIED_SLOTS_MAX and subject.kind != VoteKind.FINALIZE:
            raise ProtocolError(Reason.RATE, f"certificates of more than {CERTIFIED_SLOTS_MAX} slots")
        if fresh or self._contradicts_final(subject):
            self._verify_certificate(certificate)
        if subject.slot > self.pool.final_slot - EVIDENCE_SLOTS:
            self._witness_signers(certificate)
        if self._contradicts_final(subject):
            raise ForkError(f"two final blocks in slot {subject.slot}")
        self._adopt(certificate)

    def take_block(self, header: Header, justification: tuple[Certificate, ...], seals: bool) -> None:
        """A block the host found valid; J1-J4 are checked here. Raises `ProtocolError`.

        All certificates are verified, also for slots that are final here: validity is the same for everybody.
        """
        parent = check_shape(header, justification, self._setup.root)
        for certificate in justification:
            self._verify_certificate(certificate)
        for certificate in justification:
            self.take_certificate(certificate)
        self.tree.add(Block(self.hash(header), header, parent, seals))

    def may_notarise(self, held: HeldProposal) -> bool:
        """R2 and R2b: a new block is valid here and stands on one that does not seal the epoch; a block that
        is proposed again has been judged by a quorum, and what must be shown is that nothing else may be."""
        proposal = held.proposal
        if proposal.slot > proposal.header.slot:
            return self.pool.justifies_again(proposal.slot, held.hash)
        block = self.tree.get(held.hash)
        return block is not None and self.tree.may_follow(block.parent)

    def cast(self, vote: Vote) -> None:
        """A vote signed here just now: persisted first, then counted like any other."""
        self.effects.append(Persist(vote))
        self._see(vote, counts=True)
        self.count(vote)

    def count(self, vote: Vote) -> None:
        """Hold a vote and make the certificate it completes, if any."""
        counts = not self.pool.settles(vote.subject)
        self._witness_vote(vote, counts)
        if counts:
            quorum = self._setup.validators.quorum
            certificate = self.witness.ballots.certificate(vote.subject, quorum)
            if certificate:
                self._adopt(certificate)

    def _witness_signers(self, certificate: Certificate) -> None:
        """Compare each vote inside once: snapshots repeat the same certificates again and again."""
        seen = self._seen.get(certificate.subject, 0)
        if certificate.quorum.signers & ~seen:
            for vote in certificate.votes():
                self._witness_vote(vote, counts=False)
            self._seen[certificate.subject] = seen | certificate.quorum.signers

    def _witness_vote(self, vote: Vote, counts: bool) -> None:
        """A vote of ours that we do not remember binds us all the same: it is persisted like a fresh one."""
        me = self._setup.own_index
        if vote.signer == me and self.witness.ballots.get(vote.slot, vote.kind, me) is None:
            self.witness.check(vote)
            if vote.slot > self._log_starts_above:
                self.effects.append(Forgotten(vote))
            self.effects.append(Persist(vote))
        self._see(vote, counts)

    def _see(self, vote: Vote, counts: bool) -> None:
        evidence = self.witness.see_vote(vote, counts)
        if evidence:
            self.effects.append(evidence)

    def _adopt(self, certificate: Certificate) -> None:
        if self.pool.add(certificate):
            self.effects.append(Persist(certificate))
            if certificate.subject.kind == VoteKind.FINALIZE:
                self._forget_below(self.pool.final_slot - EVIDENCE_SLOTS + 1)

    def _forget_below(self, slot: int) -> None:
        self.witness.prune(slot)
        self._seen = {subject: signers for subject, signers in self._seen.items() if subject.slot >= slot}

    def _in_window(self, slot: int) -> bool:
        return self.pool.final_slot - EVIDENCE_SLOTS < slot <= self.slot + SLOTS_AHEAD_MAX

    def _verify_certificate(self, certificate: Certificate) -> None:
        certificate.verify(self._setup.chain_id, self._setup.validators, self._verify)

    def _contradicts_final(self, subject: Subject) -> bool:
        """Whether it says that another block than the known one is final in the last final slot."""
        final = self.pool.final
        if final is None or subject.kind != VoteKind.FINALIZE or subject.slot != final.subject.slot:
            return False
        return subject != final.subject
