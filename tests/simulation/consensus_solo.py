"""One consensus machine under the hand of a test: events in, effects out, time moved by the test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from broker.core.consensus import events as on
from edge_client.protocol.header import Header
from edge_client.protocol.machine import LinkUp, Woke
from edge_client.protocol.votes import Certificate, Proposal, Snapshot, Vote, VoteKind
from tests.simulation.consensus_parts import Committee

E = TypeVar("E")
N, Z, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
FOUR = Committee(4)
TIMEOUT_MS = on.Timing().slot_timeout_ms


class Solo:
    """Validator `me` of `committee`, connected unless said otherwise; remembers all effects."""

    def __init__(
        self,
        committee: Committee,
        me: int | None,
        *entries: Vote | Proposal | Certificate,
        timing: on.Timing | None = None,
        linked: bool = True,
    ) -> None:
        self.committee = committee
        self.me = me or 0
        self.machine = committee.machine(me, *entries, timing=timing)
        self.now_ms = 10_000
        self.effects: list[on.Effect] = []
        if linked:
            self.feed(LinkUp("server"))

    def feed(self, *events: on.Event) -> list[on.Effect]:
        """Give events now; the effects of all."""
        effects = [one for event in events for one in self.machine.handle(event, self.now_ms)]
        self.effects += effects
        return effects

    def wait(self, ms: int) -> list[on.Effect]:
        """Let time pass, waking the machine whenever it asked for it."""
        end_ms, effects = self.now_ms + ms, []
        while (deadline := self.machine.deadline()) is not None and deadline <= end_ms:
            self.now_ms = max(self.now_ms, deadline)
            effects += self.feed(Woke())
        self.now_ms = end_ms
        return effects

    def offer(
        self, header: Header, just: Sequence[Certificate] = (), verdict: on.Verdict = on.Verdict.VALID
    ) -> list[on.Effect]:
        """The leader's proposal comes and the host answers the check."""
        proposal = self.committee.proposal(header)
        return self.feed(
            on.ProposalReceived(header.proposer, proposal), on.BlockChecked(header, tuple(just), verdict)
        )

    def hear(self, *messages: Vote | Certificate) -> list[on.Effect]:
        """Votes of their signers and certificates come in."""
        return self.feed(
            *[
                on.VoteReceived(one.signer, one) if isinstance(one, Vote) else on.CertificateReceived(0, one)
                for one in messages
            ]
        )

    def cast(self) -> list[tuple[VoteKind, int]]:
        """(kind, slot) of every vote broadcast so far, in order."""
        votes = (one.message for one in self.all(on.Broadcast) if isinstance(one.message, Vote))
        return [(VoteKind(vote.kind), vote.slot) for vote in votes]

    def all(self, kind: type[E]) -> list[E]:
        """Every effect of one type so far."""
        return [one for one in self.effects if isinstance(one, kind)]

    def snapshot(self) -> Snapshot:
        """The last published one."""
        return self.all(on.PublishSnapshot)[-1].snapshot


def follower(slot: int, *entries: Vote | Proposal | Certificate) -> Solo:
    """One of four that does not lead `slot`."""
    return Solo(FOUR, (FOUR.leader(slot) + 1) % 4, *entries)


def leader(slot: int, *entries: Vote | Proposal | Certificate) -> Solo:
    """The one of four that leads `slot`."""
    return Solo(FOUR, FOUR.leader(slot), *entries)


def others(solo: Solo) -> list[int]:
    """The other three."""
    return [one for one in range(4) if one != solo.me]
