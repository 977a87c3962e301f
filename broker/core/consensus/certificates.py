"""The certificates above the last final slot: where consensus stands and what a leader may build on."""

from __future__ import annotations

from broker.core.consensus.events import FinalBlock
from broker.core.consensus.justification import Parent
from edge_client.protocol.votes import Certificate, Subject, VoteKind


class CertificatePool:
    """One certificate per (slot, kind) above the highest FC, and that FC. Adding an FC drops all below it."""

    def __init__(self, head: FinalBlock, root: Parent) -> None:
        self.final = head.certificate
        self.final_slot = head.slot
        self._on_root = head.hash == root.hash
        self._held: dict[int, dict[int, Certificate]] = {VoteKind.NOTARIZE: {}, VoteKind.NULLIFY: {}}
        """By kind, then slot: an hour without a quorum nullifies hundreds of slots and notarises few."""

    def __len__(self) -> int:
        return len(self._slots())

    @property
    def next_slot(self) -> int:
        """R5: the slot after the highest one that has any certificate."""
        return max(self._slots(), default=self.final_slot) + 1

    def get(self, kind: VoteKind, slot: int) -> Certificate | None:
        """The held certificate of this kind."""
        return self._held[kind].get(slot)

    def settles(self, subject: Subject) -> bool:
        """Whether `subject` can bring nothing new: not above the final slot, or certified already."""
        return subject.slot <= self.final_slot or subject.slot in self._held.get(subject.kind, ())

    def add(self, certificate: Certificate) -> bool:
        """Keep a verified certificate; False when it brings nothing new."""
        subject = certificate.subject
        if self.settles(subject):
            return False
        if subject.kind == VoteKind.FINALIZE:
            self.final, self.final_slot = certificate, subject.slot
            for held in self._held.values():
                for slot in [slot for slot in held if slot <= subject.slot]:
                    del held[slot]
        else:
            self._held[subject.kind][subject.slot] = certificate
        return True

    def notarised(self) -> list[Certificate]:
        """NCs above the final slot, by slot."""
        return [certificate for _, certificate in sorted(self._held[VoteKind.NOTARIZE].items())]

    def blocks(self) -> list[Subject]:
        """Every block that a held certificate names, the final one first."""
        final = [self.final] if self.final else []
        return [certificate.subject for certificate in final + self.notarised()]

    def justifies_again(self, slot: int, block_hash: bytes) -> bool:
        """Whether this block is notarised, not final, and every slot between that and `slot` nullified (R2b).

        Each slot but the last of the way has both to be considered: an NC does not undo a ZC.
        """
        for at in range(slot - 1, self.final_slot, -1):
            notarised = self.get(VoteKind.NOTARIZE, at)
            if notarised and notarised.subject.hash == block_hash:
                return True
            if self.get(VoteKind.NULLIFY, at) is None:
                return False
        return False

    def justify(self, slot: int) -> tuple[Certificate, ...] | None:
        """J1, J2 for `slot` on the highest block the pool allows (R1); None while a link is missing."""
        skipped: list[Certificate] = []
        for at in range(slot - 1, self.final_slot, -1):
            parent = self.get(VoteKind.NOTARIZE, at)
            if parent:
                return (parent, *reversed(skipped))
            nullified = self.get(VoteKind.NULLIFY, at)
            if nullified is None:
                return None
            skipped.append(nullified)
        if self.final is None and not self._on_root:
            return None
        return ((self.final,) if self.final else ()) + tuple(reversed(skipped))

    def lacking(self, certificates: tuple[Certificate, ...]) -> bool:
        """Whether somebody who holds exactly `certificates` misses one that is held here."""
        theirs = {(one.subject.slot, one.subject.kind) for one in certificates}
        final_slot = max((slot for slot, kind in theirs if kind == VoteKind.FINALIZE), default=0)
        if final_slot < self.final_slot:
            return True
        ours = ((slot, kind) for kind, held in self._held.items() for slot in held if slot > final_slot)
        return any(one not in theirs for one in ours)

    def all(self) -> tuple[Certificate, ...]:
        """The FC first, then by slot: in this order a receiver never holds more than it needs."""
        above = sorted((slot, kind, one) for kind, held in self._held.items() for slot, one in held.items())
        return ((self.final,) if self.final else ()) + tuple(one for _, _, one in above)

    def _slots(self) -> set[int]:
        return {slot for held in self._held.values() for slot in held}
