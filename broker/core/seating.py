"""Who may speak: the validator set that decides the next block, and the other nodes whose questions count.

Everything follows from the finalised head, so two validators with the same head agree on it; one that is
behind finds out by the epochs in what it hears (`council.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from broker.core.archive import Archive
from broker.core.consensus.justification import Parent
from broker.core.identity import Identity
from broker.core.ledger import Ledger
from edge_client.protocol.keys import node_id
from edge_client.protocol.seats import Seats
from edge_client.protocol.validators import ValidatorSet


@dataclass(frozen=True, slots=True)
class Seated:
    """The set of one epoch, by names. `own_index` is None for an observer: it follows and signs nothing.
    `root` is what the epoch's first block stands on: genesis, or the last block of the epoch before."""

    epoch: int
    root: Parent
    validators: ValidatorSet
    names: tuple[str, ...]
    own_index: int | None

    def index_of(self, name: str) -> int | None:
        """Place of a node in the set, None for a node outside."""
        return self.names.index(name) if name in self.names else None

    def has_turn(self, nonce: int, attempt: int, asker: str) -> bool:
        """Whether it is for this validator to answer this question [ASK-2]; nobody answers itself."""
        order = [i for i in self.validators.responders(nonce) if self.names[i] != asker]
        return bool(order) and order[attempt % len(order)] == self.own_index


class Seating:
    """The set as of the ledger's head."""

    def __init__(self, identity: Identity, archive: Archive, ledger: Ledger) -> None:
        self._identity = identity
        self._archive = archive
        self._ledger = ledger
        self._seats = ledger.head.state.seats
        self._seated = self._seat(self._seats)
        self._peers = self._peers_of(self._seats)

    @property
    def now(self) -> Seated:
        """The set that decides the block after the head."""
        self._refresh()
        return self._seated

    def is_peer(self, name: str) -> bool:
        """Whether a node's questions are answered: it has a seat, or genesis or its bond vouches for it."""
        self._refresh()
        return name in self._peers

    def _refresh(self) -> None:
        seats = self._ledger.head.state.seats
        if seats is self._seats:
            return
        self._seats, self._peers = seats, self._peers_of(seats)
        if deciding_epoch(seats) != self._seated.epoch:
            self._seated = self._seat(seats)

    def _peers_of(self, seats: Seats) -> frozenset[str]:
        keys = {*self._identity.rules.genesis.validators.keys, *seats.validators.keys}
        keys |= {*seats.next_validators.keys, *(one.key for one in seats.candidates)}
        return frozenset(node_id(key) for key in keys)

    def _seat(self, seats: Seats) -> Seated:
        validators = seats.next_validators
        names = tuple(node_id(key) for key in validators.keys)
        own = validators.index_of(self._identity.signer.public_key)
        return Seated(deciding_epoch(seats), self._root(seats), validators, names, own)

    def _root(self, seats: Seats) -> Parent:
        head = self._ledger.head
        if seats.is_sealed:
            return Parent(head.hash, head.height, head.slot)
        chain_id = self._identity.rules.chain_id
        if not seats.epoch:
            return Parent.genesis(chain_id)
        handoff = self._archive.handoff(seats.epoch - 1)
        if handoff is None:
            raise RuntimeError(f"the end of epoch {seats.epoch - 1} is not stored")
        header = handoff.header
        return Parent(header.hash(chain_id), header.height, header.slot)


def deciding_epoch(seats: Seats) -> int:
    """The epoch of the block after the one with this state; `seats.next` are its validators."""
    return seats.epoch + seats.is_sealed


def seat_text(seated: Seated) -> str:
    """The own seat for people: its number, or `none`."""
    return "none" if seated.own_index is None else str(seated.own_index)
