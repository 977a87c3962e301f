"""What validators signed in the recent slots, and the pairs among it that convict one of them.

Signatures are checked only when something hangs on them: a vote that can still count, or one that stands
against another vote of its signer. The rest is held unchecked, so that a later rival finds it.
"""

from __future__ import annotations

from dataclasses import dataclass

from broker.core.consensus.ballots import Ballots
from broker.core.consensus.events import Evidence, Setup
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.keys import Verify
from edge_client.protocol.votes import Proposal, Vote

Signed = Vote | Proposal
"""What evidence is made of."""


@dataclass(frozen=True, slots=True)
class HeldProposal:
    """A proposal signed by the leader of its slot, and the hash of its header."""

    proposal: Proposal
    hash: bytes


class Witness:
    """First vote of each (slot, kind, signer) and first proposal of each slot; at most one accusation per
    validator and slot."""

    def __init__(self, setup: Setup, verify: Verify) -> None:
        self._setup = setup
        self._verify = verify
        self.ballots = Ballots()
        self.proposals: dict[int, HeldProposal] = {}
        self._accused: set[tuple[int, int]] = set()

    def check(self, vote: Vote) -> None:
        """Raise `ProtocolError` unless the signer it names signed it."""
        vote.verify(self._setup.chain_id, self._setup.validators, self._verify)

    def see_vote(self, vote: Vote, counts: bool) -> Evidence | None:
        """Take a vote; one that `counts` for a certificate is checked now. Raises `ProtocolError`.

        A second vote of the same kind in the slot is evidence and is not held. What is held unchecked may be
        somebody's forgery: another signature on the same subject is checked and takes its place, and every
        rival is looked at, so that a forgery hides nothing.
        """
        held = self.ballots.get(vote.slot, vote.kind, vote.signer)
        is_same = held is not None and held.subject == vote.subject
        if is_same and (held == vote or self.ballots.is_checked(vote)):
            return None
        rivals = self.ballots.rivals(vote)
        checked = counts or is_same or bool(rivals)
        if checked:
            self.check(vote)
        evidence = [found for rival in rivals if (found := self._compare(rival, vote))]
        if is_same or self.ballots.get(vote.slot, vote.kind, vote.signer) is None:
            self.ballots.hold(vote, checked)
        return evidence[0] if evidence else None

    def see_proposal(self, proposal: Proposal, header_hash: bytes, leader: int) -> Evidence | None:
        """Take a proposal; raises `ProtocolError` when `leader`, the one of its slot, did not sign it."""
        slot = proposal.slot
        held = self.proposals.get(slot)
        if held is not None and (held.hash == header_hash or (slot, leader) in self._accused):
            return None
        proposal.verify(self._setup.chain_id, self._setup.validators.keys[leader], self._verify)
        if held is None:
            self.proposals[slot] = HeldProposal(proposal, header_hash)
            return None
        return self._accuse(leader, slot, (held.proposal, proposal))

    def open_proposals(self, slot: int) -> list[tuple[int, HeldProposal]]:
        """Those of `slot` and later ones, by slot."""
        return [(at, self.proposals[at]) for at in sorted(self.proposals) if at >= slot]

    def prune(self, slot: int) -> None:
        """Forget everything below `slot`."""
        self.ballots.prune(slot)
        self.proposals = {at: held for at, held in self.proposals.items() if at >= slot}
        self._accused = {one for one in self._accused if one[0] >= slot}

    def _compare(self, rival: Vote, vote: Vote) -> Evidence | None:
        """`vote` is checked; `rival` may turn out to be somebody's forgery and is dropped then."""
        try:
            self.check(rival)
        except ProtocolError:
            self.ballots.drop(rival)
            return None
        return self._accuse(vote.signer, vote.slot, (rival, vote))

    def _accuse(self, offender: int, slot: int, pair: tuple[Signed, Signed]) -> Evidence | None:
        if (slot, offender) in self._accused:
            return None
        self._accused.add((slot, offender))
        return Evidence(offender, self._setup.validators.keys[offender], *pair)
