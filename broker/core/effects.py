"""What a validator asks of its shell beside messages. Each Persist is on the disk before the next effect."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.protocol.accounts import Account
from edge_client.protocol.body import Body
from edge_client.protocol.evidence import Evidence
from edge_client.protocol.handoff import Handoff, SetProof
from edge_client.protocol.header import Header
from edge_client.protocol.messages import UpdateOffer
from edge_client.protocol.mmr import Peaks
from edge_client.protocol.state import ChainState
from edge_client.protocol.votes import Certificate, Finality, Proposal, Vote


@dataclass(frozen=True, slots=True)
class StoreUpdate:
    """Persist a complete update: offer and body. Only then is a receipt signed."""

    offer: UpdateOffer
    body: bytes


@dataclass(frozen=True, slots=True)
class StoreUpdateBody:
    """Persist an update body that came from another validator; the block that names it holds its head."""

    root: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class AppendLog:
    """Persist one consensus log entry before anything that depends on it is sent.

    Once the block of a certificate is final, entries of earlier (epoch, slot) than that are of no use.
    """

    epoch: int
    slot: int
    entry: bytes


@dataclass(frozen=True, slots=True)
class StoreBlock:
    """Persist a checked candidate block (header and body) before any vote for it."""

    header_hash: bytes
    parent_hash: bytes
    header: Header
    body: Body


@dataclass(frozen=True, slots=True)
class StoreFinal:
    """Persist that a stored block is final, and the state after it, in one transaction.

    `accounts` are the changed and new ones only; `certificate` is set for the block it names, None for
    ancestors that it finalises with it.
    """

    header: Header
    header_hash: bytes
    certificate: Certificate | None
    state: ChainState
    accounts: tuple[tuple[int, Account], ...]
    model: bytes | None
    inclusions: tuple[tuple[bytes, int], ...]
    peaks: Peaks

    @property
    def handoff(self) -> Handoff | None:
        """What leads devices over the end of the epoch, if this block is its last one."""
        seats = self.state.seats
        if not seats.is_sealed or self.certificate is None:
            return None
        sets = SetProof.of(self.state.app_leaves(), seats.validators, seats.next_validators)
        return Handoff(self.header, Finality.of(self.certificate), sets)


@dataclass(frozen=True, slots=True)
class StoreHeaders:
    """Persist verified final headers above the head, whose state is not here yet: lowest first, under the
    certificate of the last. What is here of them already stays."""

    headers: tuple[Header, ...]
    hashes: tuple[bytes, ...]
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class InstallCheckpoint:
    """Persist that the state after a stored header is `state`, without the blocks below it, in one
    transaction; `models` are those of its bases, by root."""

    header: Header
    header_hash: bytes
    certificate: Certificate | None
    state: ChainState
    models: tuple[tuple[bytes, bytes], ...]
    peaks: Peaks


@dataclass(frozen=True, slots=True)
class StoreHandoffs:
    """Persist verified handoffs that came with headers; those that are here already stay."""

    handoffs: tuple[Handoff, ...]


@dataclass(frozen=True, slots=True)
class StoreOldBlock:
    """Persist a final block that a checkpoint had passed over."""

    header: Header
    header_hash: bytes
    body: Body
    inclusions: tuple[tuple[bytes, int], ...]


@dataclass(frozen=True, slots=True)
class StoreAttack:
    """Persist verified evidence that two histories were made final (`protocol.attack.LightAttack`)."""

    attack: bytes


@dataclass(frozen=True, slots=True)
class StoreEvidence:
    """Persist a pair that convicts a key, until a block holds it."""

    pair: Evidence


@dataclass(frozen=True, slots=True)
class ForgetEvidence:
    """The pair of this key has done its work."""

    key: bytes


@dataclass(frozen=True, slots=True)
class EndRejoin:
    """Persist that this log is the whole one for slots above `sign_above`, then bind the key to it."""

    sign_above: int


@dataclass(frozen=True, slots=True)
class LogGap:
    """This validator signed something that its log does not hold. Nothing may be signed from this log any
    more: make that durable, then end the process. It stands before all that follows from what was heard."""

    signed: Vote | Proposal


ValidatorPersist = (
    StoreUpdate
    | StoreUpdateBody
    | AppendLog
    | StoreBlock
    | StoreFinal
    | StoreHeaders
    | StoreHandoffs
    | InstallCheckpoint
    | StoreOldBlock
    | StoreAttack
    | StoreEvidence
    | ForgetEvidence
)
"""Everything a validator writes."""


@dataclass(frozen=True, slots=True)
class StoredFinal:
    """The finalised head as found on disk, and the state after it; no certificate when the process died
    between the blocks that one certificate finalised."""

    header: Header
    certificate: Certificate | None
    state: ChainState
    peaks: Peaks


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything a validator finds on disk at its start; `head` is None before the first block.

    `sign_above` is where a rejoin ended, 0 when there was none.
    """

    head: StoredFinal | None
    offers: tuple[UpdateOffer, ...]
    log: bytes
    evidence: tuple[Evidence, ...] = ()
    sign_above: int = 0


NOTHING_STORED = Stored(None, (), b"")
