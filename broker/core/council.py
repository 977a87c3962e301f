"""The consensus of the current epoch: which instance runs, and which messages are for it.

Votes name their epoch, so nothing of one epoch counts in another. What is of an older epoch is nobody's
business any more; what is of a later one says that this validator is behind, and no more than that: it cannot
be checked without the set of that epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from broker.core.consensus import events as on
from broker.core.consensus.log_entries import Entry
from broker.core.consensus.simplex import Simplex
from broker.core.identity import Identity
from broker.core.ledger import Ledger
from broker.core.seating import Seating
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.machine import LinkLost, LinkUp
from edge_client.protocol.messages import Recall
from edge_client.protocol.votes import Certificate, Proposal, Snapshot, Vote

Spoken = Proposal | Vote | Certificate | Snapshot
"""What validators say about the next block."""


class Council:
    """Holds one `Simplex`, as validator or observer."""

    def __init__(
        self,
        identity: Identity,
        seating: Seating,
        ledger: Ledger,
        timing: on.Timing,
        may_sign: Callable[[int], bool],
    ) -> None:
        self._identity = identity
        self._seating = seating
        self._ledger = ledger
        self._timing = timing
        self._link: LinkUp | None = None
        self._epoch = seating.now.epoch
        self._may_sign = may_sign
        self._consensus = self._convene(None, ())

    def restore(self, certificate: Certificate | None, entries: Iterable[Entry]) -> None:
        """Start again from the disk: the finality certificate last stored and the log."""
        self._consensus = self._convene(certificate, entries)

    def _convene(self, certificate: Certificate | None, entries: Iterable[Entry]) -> Simplex:
        """The instance that decides the block after the ledger's head."""
        rules, seated, tip = self._identity.rules, self._seating.now, self._ledger.head
        if tip.hash == seated.root.hash or (certificate is not None and certificate.subject.hash != tip.hash):
            certificate = None
        self._epoch = seated.epoch
        setup = on.Setup(
            rules.chain_id,
            seated.epoch,
            seated.root,
            seated.root.hash,
            seated.validators,
            seated.own_index,
            self._timing,
            self._may_sign,
        )
        slot = certificate.subject.slot if certificate else tip.slot
        head = on.FinalBlock(tip.height, tip.hash, slot, certificate)
        return Simplex(setup, self._identity.signer.sign, rules.verify, head, entries)

    @property
    def slot(self) -> int:
        """The current slot."""
        return self._consensus.slot

    @property
    def is_restless(self) -> bool:
        """Whether a block may be final that nobody tells this node of: it has no seat, or a slot is open."""
        return self._seating.now.own_index is None or self._consensus.busy

    def deadline(self) -> int | None:
        """See `Simplex.deadline`."""
        return self._consensus.deadline()

    def handle(self, event: on.Event, now_ms: int) -> list[on.Effect]:
        """Give an event to the instance."""
        if isinstance(event, LinkUp | LinkLost):
            self._link = event if isinstance(event, LinkUp) else None
        return self._consensus.handle(event, now_ms)

    @property
    def is_over(self) -> bool:
        """Whether the head ended the epoch of the instance."""
        return self._epoch != self._seating.now.epoch

    def begin(self, certificate: Certificate | None, now_ms: int) -> list[on.Effect]:
        """Start the instance of the head's epoch. The old one is needed no more: who has not seen its end
        gets headers that show it. `certificate` of the head matters after a jump into the midst of an epoch,
        in which this validator has signed nothing: it would have had the epoch's root."""
        self._consensus = self._convene(certificate, ())
        return [] if self._link is None else self._consensus.handle(self._link, now_ms)

    def signed_by(self, sender: str, recall: Recall) -> list[Vote | Proposal]:
        """What is remembered of a validator that asks; nothing of another epoch."""
        seated = self._seating.now
        index = seated.index_of(sender)
        if seated.own_index in (None, index) or index is None or recall.epoch != seated.epoch:
            return []
        return self._consensus.signed_by(index, recall.slot)

    def is_ahead(self, message: Spoken) -> bool:
        """Whether a message claims an epoch that has not begun here."""
        return epoch_of(message) > self._seating.now.epoch

    def event_of(self, sender: str, message: Spoken) -> on.Message | None:
        """What to handle of a message; None when it is not of this epoch. Raises `ProtocolError` when its
        sender has no seat."""
        seated = self._seating.now
        if epoch_of(message, seated.epoch) != seated.epoch:
            return None
        index = seated.index_of(sender)
        if index is None:
            raise ProtocolError(Reason.WRONG_SENDER, f"no validator of epoch {seated.epoch}")
        match message:
            case Proposal():
                return on.ProposalReceived(index, message)
            case Vote():
                return on.VoteReceived(index, message)
            case Certificate():
                return on.CertificateReceived(index, message)
            case Snapshot():
                return on.SnapshotReceived(index, message)


def epoch_of(message: Spoken, default: int = 0) -> int:
    """The latest epoch that a message speaks of; `default` for a snapshot that holds nothing."""
    match message:
        case Proposal():
            return message.header.epoch
        case Vote():
            return message.epoch
        case Certificate():
            return message.subject.epoch
        case Snapshot():
            epochs = [one.epoch for one in message.votes]
            epochs += [one.subject.epoch for one in message.certificates]
            return max(epochs, default=default)
