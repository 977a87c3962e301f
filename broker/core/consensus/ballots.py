"""Votes held by slot: counting them into certificates, and finding pairs that convict their signer."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.protocol.votes import Certificate, Quorum, Subject, Vote, VoteKind

_EXCLUDES = {VoteKind.NULLIFY: VoteKind.FINALIZE, VoteKind.FINALIZE: VoteKind.NULLIFY}


@dataclass(frozen=True, slots=True)
class Held:
    """A vote and whether its signature was checked; only checked votes count."""

    vote: Vote
    checked: bool


class Ballots:
    """The first vote of each (slot, kind, signer). Bounded by the window of slots its owner lets in."""

    def __init__(self) -> None:
        self._slots: dict[int, dict[tuple[int, int], Held]] = {}

    def get(self, slot: int, kind: int, signer: int) -> Vote | None:
        """The held vote of this kind."""
        held = self._slots.get(slot, {}).get((kind, signer))
        return held.vote if held else None

    def hold(self, vote: Vote, checked: bool) -> None:
        """Keep `vote`, replacing what was held of its kind and signer."""
        self._slots.setdefault(vote.slot, {})[vote.kind, vote.signer] = Held(vote, checked)

    def drop(self, vote: Vote) -> None:
        """Forget a held vote: its signature is wrong."""
        del self._slots[vote.slot][vote.kind, vote.signer]

    def is_checked(self, vote: Vote) -> bool:
        """Whether the held vote of its kind and signer is known to be genuine."""
        held = self._slots.get(vote.slot, {}).get((vote.kind, vote.signer))
        return held is not None and held.checked

    def rivals(self, vote: Vote) -> list[Vote]:
        """Held votes that make a slashable pair with this one: N N', F F', Z F or F Z in one slot."""
        same = self.get(vote.slot, vote.kind, vote.signer)
        excluded = _EXCLUDES.get(VoteKind(vote.kind))
        other = self.get(vote.slot, excluded, vote.signer) if excluded else None
        found = [same] if same and same.subject != vote.subject else []
        return found + ([other] if other else [])

    def rival(self, vote: Vote) -> Vote | None:
        """The first of `rivals`."""
        return next(iter(self.rivals(vote)), None)

    def signers(self, slot: int) -> set[int]:
        """Who cast a checked vote in this slot."""
        return {signer for (_, signer), held in self._slots.get(slot, {}).items() if held.checked}

    def certificate(self, subject: Subject, quorum: int) -> Certificate | None:
        """The certificate of the checked votes on `subject`, once there are `quorum` of them."""
        signatures = {
            signer: held.vote.signature
            for (_, signer), held in self._slots.get(subject.slot, {}).items()
            if held.checked and held.vote.subject == subject
        }
        if len(signatures) < quorum:
            return None
        return Certificate(subject, Quorum.of(signatures))

    def cast_by(self, signer: int, above_slot: int) -> list[Vote]:
        """The held votes of one validator for slots above `above_slot`, by slot and kind."""
        slots = sorted(slot for slot in self._slots if slot > above_slot)
        held = (self.get(slot, kind, signer) for slot in slots for kind in VoteKind)
        return [vote for vote in held if vote]

    def prune(self, slot: int) -> None:
        """Forget everything below `slot`."""
        self._slots = {at: votes for at, votes in self._slots.items() if at >= slot}
