"""The Simplex machine: events change what is known, rules R1-R6 act on it until nothing changes.

    event -> arm (remember) -> rules to a fixed point -> snapshot if one is due -> effects

Safety rests on the own votes among the ballots: each is persisted before it is broadcast, and the rules look
there before they cast another. Everything else may be lost, repeated or reordered.
Time is the `now_ms` of the events; there is no other clock, and no randomness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import cast

from broker.core.consensus import events as on
from broker.core.consensus.justification import SKIPPED_SLOTS_MAX, Parent, parent_of
from broker.core.consensus.knowledge import Knowledge
from broker.core.consensus.log_entries import Entry
from broker.core.consensus.snapshots import SnapshotMaker, is_whole
from broker.core.consensus.timers import SlotTimer, SnapshotPacer
from broker.core.consensus.tree import Block, ForkError, Missing
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.keys import Verify, node_id
from edge_client.protocol.machine import LinkLost, LinkUp, Refused, Woke
from edge_client.protocol.votes import (
    Proposal,
    Snapshot,
    Subject,
    Vote,
    VoteKind,
    finalize,
    notarize,
    nullify,
    vote,
)

PROMPT_SLOTS_PER_VALIDATOR = 4
"""In the first 4n slots after an FC one validator's message starts the timer of an idle slot, later it takes
f+1. So a lone validator that knows of work leads four times, and a faulty one cannot burn slots for ever."""

RECALLED_MAX = 256
"""So much at most is told to a validator that asks what it signed."""

FAULTS_MAX = 64
"""After so many refusals since the last FC nothing of a sender is looked at."""


class Simplex:
    """One validator's (or observer's) side of one epoch.

    `sign` and `verify` are this validator's key and the signature check; `verify` should remember its
    verdicts (`VerifyOnce`), so that nothing is checked twice. `head` is the last block that the host stored
    as decided; `entries` what its log holds: votes in it are published again as they are, never signed anew.
    """

    def __init__(
        self,
        setup: on.Setup,
        sign: Callable[[bytes], bytes],
        verify: Verify,
        head: on.FinalBlock,
        entries: Iterable[Entry] = (),
    ) -> None:
        self._setup = setup
        self._me = setup.own_index
        self._sign = sign
        self._known = Knowledge(setup, verify, head)
        for entry in entries:
            self._known.restore(entry)
        self._slot, self._final_slot = self._known.slot, self._known.pool.final_slot
        self._timer = SlotTimer()
        self._maker = SnapshotMaker()
        self._pacer = SnapshotPacer(setup.timing.snapshot_interval_ms, setup.timing.resend_ms)
        self._now_ms = 0
        self._due = self._linked = self._halted = self._ended = False
        self._building: on.BuildBlock | None = None
        self._unfit: set[int] = set()
        self._checking: dict[bytes, int] = {}
        self._fetching: dict[bytes, int] = {}
        self._behind: set[int] = set()
        self._faults: dict[int, int] = {}

    @property
    def slot(self) -> int:
        """The current slot."""
        return self._known.slot

    @property
    def head(self) -> on.FinalBlock:
        """The last decided block."""
        return self._known.tree.head

    @property
    def halted(self) -> bool:
        """Whether it has seen a contradiction (`Diverged`) and stopped."""
        return self._halted

    @property
    def ended(self) -> bool:
        """Whether the block that seals the epoch is decided: this machine has nothing more to say."""
        return self._ended

    def signed_by(self, validator: int, above_slot: int) -> list[Vote | Proposal]:
        """What is held of a validator's votes and proposals, for one that may have lost them; the latest."""
        return self._known.signed_by(validator, above_slot)[-RECALLED_MAX:]

    def handle(self, event: on.Event, now_ms: int) -> list[on.Effect]:
        """Take one event at `now_ms` (milliseconds, never decreasing); effects are to be run in order."""
        if self._halted or self._ended:
            return []
        self._now_ms = max(self._now_ms, now_ms)
        try:
            self._take(event)
            self._settle()
        except ForkError as fork:
            self._diverge(str(fork))
        if any(isinstance(effect, on.Persist) for effect in self._known.effects):
            self._pacer.want(self._now_ms + self._setup.timing.snapshot_interval_ms)
        self._publish()
        effects, self._known.effects = self._known.effects, []
        return effects

    def deadline(self) -> int | None:
        """When to send `Woke` at the latest; None while there is nothing to wait for."""
        if self._me is None or self._halted or self._ended or not self._linked:
            return None
        moments = [self._pacer.deadline(bool(self._behind))]
        if not self._voted(VoteKind.NULLIFY, self._slot) and self._may_skip():
            moments.append(self._timer.reaches(self._timeout_ms()))
        if self._may_lead() and self._timer.elapsed_ms(self._now_ms) < self._patience_ms():
            moments.append(self._timer.reaches(self._patience_ms()))
        return min((moment for moment in moments if moment is not None), default=None)

    # --- events ---------------------------------------------------------------------------------------------

    def _take(self, event: on.Event) -> None:
        match event:
            case on.RoundDue(due):
                self._due = due
            case LinkUp():
                self._linked = True
                self._pacer.want(self._now_ms)
                self._faults.clear()
            case LinkLost():
                self._linked = False
            case Woke():
                pass
            case on.BlockChecked():
                self._take_checked(event)
            case on.BlockBuilt():
                self._take_built(event)
            case on.Finalised():
                self._take_finalised(event)
            case _:
                self._take_message(event)

    def _take_message(self, event: on.Message) -> None:
        """Messages of peers: what is wrong with one is counted against its sender."""
        if self._faults.get(event.sender, 0) >= FAULTS_MAX:
            return
        try:
            match event:
                case on.VoteReceived(sender, one):
                    self._known.take_vote(sender, one)
                case on.ProposalReceived(_, proposal):
                    self._known.take_proposal(proposal)
                case on.CertificateReceived(_, certificate):
                    self._known.take_certificate(certificate)
                case on.SnapshotReceived(sender, snapshot):
                    self._take_snapshot(sender, snapshot)
        except ProtocolError as wrong:
            self._faults[event.sender] = self._faults.get(event.sender, 0) + 1
            self._refuse(event.sender, wrong)

    def _take_snapshot(self, sender: int, snapshot: Snapshot) -> None:
        """Certificates first: with them the votes fall into the window. Who lacks some gets ours."""
        for certificate in snapshot.certificates:
            self._known.take_certificate(certificate)
        for one in snapshot.votes:
            self._known.take_vote(sender, one)
        self._behind.discard(sender)
        epochs = {one.subject.epoch for one in snapshot.certificates}
        is_here = epochs <= {self._setup.epoch} and is_whole(snapshot)
        if sender != self._me and is_here and self._known.pool.lacking(snapshot.certificates):
            self._behind.add(sender)

    def _take_checked(self, event: on.BlockChecked) -> None:
        """The host's part of R2: the block is known as valid from now on, or its slot gets no N of ours."""
        header, verdict, fault = event.header, event.verdict, event.fault
        header_hash = self._known.hash(header)
        if header.height <= self.head.height or self._known.tree.knows(header_hash):
            return
        if verdict is on.Verdict.VALID:
            try:
                self._known.take_block(header, event.justification, event.seals)
            except ProtocolError as wrong:
                verdict, fault = on.Verdict.INVALID, wrong.detail
            else:
                return
        if verdict is on.Verdict.INVALID and header_hash in self._fetching:
            self._diverge(f"certified block {header_hash.hex()} is invalid here: {fault}")
        self._unfit.add(header.slot)
        reason = Reason.TIME if verdict is on.Verdict.UNTIMELY else Reason.INVALID_BLOCK
        self._refuse(header.proposer, ProtocolError(reason, fault))

    def _take_built(self, event: on.BlockBuilt) -> None:
        """R1's second half: sign the block that the host built, once per slot. Late answers are dropped."""
        build, header = self._building, event.header
        if build is None or (header.slot, event.justification) != (build.slot, build.justification):
            return
        if header.proposer != self._me or header.height != build.parent_height + 1:
            raise ValueError(f"built header {header} does not fit {build}")
        self._building = None
        parent = parent_of(build.justification, self._setup.root)
        self._known.tree.add(Block(self._known.hash(header), header, parent, event.seals))
        self._say(Proposal(build.slot, header, b""))

    def _take_finalised(self, event: on.Finalised) -> None:
        """The host is ahead of the tree; it has checked block and certificate."""
        header, certificate = event.header, event.certificate
        header_hash = self._known.hash(header)
        if certificate.subject != finalize(header, header_hash, certificate.subject.slot):
            raise ValueError(f"certificate {certificate.subject} is not about {header}")
        if header.height > self.head.height:
            self._known.take_certificate(certificate)
            head = on.FinalBlock(header.height, header_hash, certificate.subject.slot, certificate)
            self._advance(head, event.seals)

    # --- rules ----------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Apply the rules in this order, starting again after each that did something."""
        rules = (
            self._enter,
            self._finalize,
            self._decide,
            self._ask,
            self._notarize,
            self._nullify,
            self._propose,
        )
        while not (self._halted or self._ended) and any(rule() for rule in rules):
            pass
        busy = self.busy
        self._timer.run(busy, self._now_ms)
        self._pacer.note_busy(busy, self._now_ms)

    def _propose(self) -> bool:
        """R1: the leader of a due slot asks for one block on the decided head; when a block is notarised and
        not final, it proposes that one again (R1b)."""
        justification = self._known.pool.justify(self._slot)
        if justification is None or self._building or not self._may_lead():
            return False
        parent = parent_of(justification, self._setup.root)
        if parent.hash != self.head.hash:
            return parent.slot > self._final_slot and self._propose_again(parent)
        if not self._due:
            return False
        self._building = on.BuildBlock(self._slot, parent.hash, parent.height, justification)
        self._known.effects.append(self._building)
        return True

    def _propose_again(self, notarised: Parent) -> bool:
        """R1b: after a while, because the F votes that would spare it are normally under way."""
        block = self._known.tree.get(notarised.hash)
        if block is None or self._timer.elapsed_ms(self._now_ms) < self._patience_ms():
            return False
        self._say(Proposal(self._slot, block.header, b""))
        return True

    def _notarize(self) -> bool:
        """R2, R2b: N on the leader's proposal; one N a slot, also after our own Z."""
        held = self._known.witness.proposals.get(self._slot)
        if held is None or self._voted(VoteKind.NOTARIZE, self._slot) or not self._known.may_notarise(held):
            return False
        if not self._setup.may_sign(self._slot):
            return False
        return self._cast(notarize(held.proposal.header, held.hash, self._slot))

    def _nullify(self) -> bool:
        """R3: Z when the time is up, the proposal is unfit or the leader gave up; never after our own F."""
        if self._voted(VoteKind.NULLIFY, self._slot) or not self._may_skip():
            return False
        expired = self._timer.elapsed_ms(self._now_ms) >= self._timeout_ms()
        leader = self._known.leader(self._slot)
        gave_up = self._known.witness.ballots.get(self._slot, VoteKind.NULLIFY, leader)
        if not (expired or gave_up or self._slot in self._unfit or self._is_stale_proposal()):
            return False
        return self._cast(nullify(self._setup.epoch, self._slot))

    def _is_stale_proposal(self) -> bool:
        """Whether the leader proposed again what is final: it did not know, and the slot is of no use."""
        held, final = self._known.witness.proposals.get(self._slot), self._known.pool.final
        if held is None or held.proposal.slot == held.proposal.header.slot:
            return False
        return held.proposal.header.height <= (final.subject.height if final else self.head.height)

    def _finalize(self) -> bool:
        """R4: F for every notarised block, also of slots left, unless our Z or F of that slot is cast."""
        for subject in (certificate.subject for certificate in self._known.pool.notarised()):
            if self._voted(VoteKind.NULLIFY, subject.slot) or self._voted(VoteKind.FINALIZE, subject.slot):
                continue
            if not self._setup.may_sign(subject.slot):
                continue
            return self._cast(
                Subject(VoteKind.FINALIZE, subject.epoch, subject.slot, subject.height, subject.hash)
            )
        return False

    def _enter(self) -> bool:
        """R5's consequences: a new slot starts the timer anew; so does an FC."""
        slot, final_slot = self._known.slot, self._known.pool.final_slot
        if (slot, final_slot) == (self._slot, self._final_slot):
            return False
        self._pacer.want(self._now_ms + self._setup.timing.slot_snapshot_ms)
        if final_slot != self._final_slot:
            self._pacer.want(self._now_ms)
            self._faults.clear()
            self._unfit = {one for one in self._unfit if one > final_slot}
        self._slot, self._final_slot = slot, final_slot
        self._building = None
        self._timer.reset(self._now_ms)
        self._timer.run(self.busy, self._now_ms)
        return True

    def _decide(self) -> bool:
        """R6: an FC whose block and ancestors are all known decides them; another FC of the head, of a later
        slot, decides nothing."""
        final = self._known.pool.final
        if final is None or final.subject.slot <= self.head.slot:
            return False
        subject = final.subject
        path = self._known.tree.path(Missing(subject.hash, subject.height, subject.slot))
        if isinstance(path, Missing):
            return False
        if path:
            self._known.effects.append(on.Decided(final, tuple(block.hash for block in path)))
        head = on.FinalBlock(subject.height, subject.hash, subject.slot, final)
        self._advance(head, bool(path) and path[-1].seals)
        return True

    def _ask(self) -> bool:
        """Ask the host, once each, to check proposals of open slots and to fetch certified blocks."""
        asked = len(self._checking) + len(self._fetching)
        for slot, held in self._known.witness.open_proposals(self._slot):
            is_new = slot == held.proposal.header.slot
            if is_new and not self._known.tree.knows(held.hash) and held.hash not in self._checking:
                self._checking[held.hash] = slot
                self._known.effects.append(on.CheckBlock(held.proposal))
        for subject in self._known.pool.blocks():
            path = self._known.tree.path(Missing(subject.hash, subject.height, subject.slot))
            if isinstance(path, Missing) and path.hash not in self._fetching:
                self._fetching[path.hash] = path.slot
                self._known.effects.append(on.FetchBlock(path.hash, path.height, path.slot))
        return len(self._checking) + len(self._fetching) > asked

    # --- parts of the rules ---------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Due rule: somebody has something to decide, so the slot may not last for ever; the link is up."""
        if not self._linked:
            return False
        pool, witness = self._known.pool, self._known.witness
        if any(one.subject.hash != self.head.hash for one in pool.notarised()) or (
            self._due and pool.final_slot <= self.head.slot
        ):
            return True
        signers = witness.ballots.signers(self._slot)
        if self._me in signers or self._slot in witness.proposals:
            return True
        validators = self._setup.validators
        early = self._slot - self._final_slot <= PROMPT_SLOTS_PER_VALIDATOR * validators.count
        return len(signers) > (0 if early else validators.faulty_max)

    def _may_lead(self) -> bool:
        """Whether the proposal of this slot is ours to make and still useful."""
        if self._known.leader(self._slot) != self._me or self._slot in self._known.witness.proposals:
            return False
        return self._setup.may_sign(self._slot) and not self._voted(VoteKind.NULLIFY, self._slot)

    def _may_skip(self) -> bool:
        """Never Z after F; and never so far that no block could carry the justification any more (J3)."""
        if self._voted(VoteKind.FINALIZE, self._slot) or not self._setup.may_sign(self._slot):
            return False
        return self._slot - self._final_slot <= SKIPPED_SLOTS_MAX

    def _timeout_ms(self) -> int:
        return self._setup.timing.timeout_ms(self._slot - self._final_slot - 1)

    def _patience_ms(self) -> int:
        """How long a leader waits for the finality of a notarised block before it proposes it again."""
        return self._timeout_ms() // 4

    def _voted(self, kind: VoteKind, slot: int) -> bool:
        return self._me is not None and self._known.witness.ballots.get(slot, kind, self._me) is not None

    def _cast(self, subject: Subject) -> bool:
        """Sign, persist, count and broadcast a vote; an observer does nothing."""
        if self._me is None:
            return False
        one = vote(subject, self._me, self._sign(subject.signing_bytes(self._setup.chain_id)))
        self._known.cast(one)
        self._known.effects.append(on.Broadcast(one))
        return True

    def _say(self, unsigned: Proposal) -> None:
        """Sign, persist, hold and broadcast our proposal of the slot."""
        proposal = replace(unsigned, signature=self._sign(unsigned.signing_bytes(self._setup.chain_id)))
        self._known.hold_proposal(proposal)
        self._known.effects += [on.Persist(proposal), on.Broadcast(proposal)]

    def _advance(self, head: on.FinalBlock, seals: bool) -> None:
        if head.height > self.head.height:
            self._due = False
            self._ended = seals
        self._known.tree.advance(head)
        self._checking = {key: slot for key, slot in self._checking.items() if slot > head.slot}
        self._fetching = {key: slot for key, slot in self._fetching.items() if slot > head.slot}

    def _refuse(self, sender: int, wrong: ProtocolError) -> None:
        keys = self._setup.validators.keys
        name = node_id(keys[sender]) if sender < len(keys) else str(sender)
        self._known.effects.append(Refused(wrong.reason, name, wrong.detail))

    def _diverge(self, detail: str) -> None:
        self._halted = True
        self._known.effects.append(on.Diverged(detail))

    # --- anti-entropy ---------------------------------------------------------------------------------------

    def _publish(self) -> None:
        """Publish the snapshot when the pacer says so; a leader repeats its proposal with it."""
        if self._me is None or not self._linked or self._halted:
            return
        moment = self._pacer.deadline(bool(self._behind))
        if moment is None or moment > self._now_ms:
            return
        self._pacer.published(self._now_ms)
        self._behind.clear()
        held = self._known.witness.proposals.get(self._slot)
        if held and self._known.leader(self._slot) == self._me:
            self._known.effects.append(on.Broadcast(held.proposal))
        self._known.effects.append(on.PublishSnapshot(self._snapshot()))

    def _snapshot(self) -> Snapshot:
        """All certificates since the last FC, and those own votes that are part of none, if they fit."""
        own = self._known.witness.ballots.cast_by(cast("int", self._me), self._final_slot)
        votes = tuple(one for one in own if not self._known.pool.settles(one.subject))
        return self._maker.make(votes, self._known.pool.all())
