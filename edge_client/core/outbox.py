"""The way of finished updates into the chain.

An update is offered (head, then chunks, at most `WINDOW_CHUNKS` not yet taken by the MQTT server), offered
again until f+1 validators have confirmed it, and claimed after every closing block. It is *settled* exactly
once: included (proven), refused (f+1 validators signed a refusal) or expired (too old). Refused and expired
count only when a validator's answer, checked against our own account, does not show the update in a block:
a validator that already counted it would also refuse it as a replay.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace

from edge_client.core.events import Fate, PendingUpdate, PublishChunk, SettleUpdate
from edge_client.core.identity import Identity
from edge_client.core.timing import doubled, earliest
from edge_client.core.waking import Placed
from edge_client.protocol.accounts import Account
from edge_client.protocol.chunks import WINDOW_CHUNKS, Bitmap
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.machine import Acknowledged, Publish
from edge_client.protocol.messages import ACCEPTED, REASONS, Receipt, UpdateOffer
from edge_client.protocol.params import STALENESS_MAX
from edge_client.protocol.wake import ROOTS_MAX

PENDING_MAX = STALENESS_MAX + 2
"""One update a round, each forgotten once it is older than the staleness window; fits one `Wake`."""

REPEATS_MAX = 64
"""How often chunks of one update are sent again at a validator's word, which is not signed."""

assert PENDING_MAX <= ROOTS_MAX


@dataclass(slots=True)
class _Entry:
    update: PendingUpdate
    offer_due_ms: int
    wait_ms: int
    unsent: set[int] = field(default_factory=set)
    missing: set[int] = field(default_factory=set)
    collect_due_ms: int | None = None
    repeats: int = 0
    offered_again: bool = False
    """Over this link, because a block closed its round without it."""
    accepted: set[bytes] = field(default_factory=set)
    refused: dict[bytes, Reason] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _InFlight:
    root: bytes
    index: int
    due_ms: int


class Outbox:
    """All updates whose fate is open, oldest first."""

    def __init__(self, identity: Identity, faulty_max: int) -> None:
        self._topics = identity.topics
        self._device = identity.device
        self._timing = identity.timing
        self._enough = faulty_max + 1
        self._entries: dict[bytes, _Entry] = {}
        self._in_flight: dict[int, _InFlight] = {}
        self._tokens = 0
        self._linked = False

    @property
    def roots(self) -> tuple[bytes, ...]:
        """Update roots to claim."""
        return tuple(self._entries)

    @property
    def full(self) -> bool:
        """Whether there is no place for another update."""
        return len(self._entries) >= PENDING_MAX

    @property
    def base_height_min(self) -> int | None:
        """The oldest base height of a pending update."""
        return min((entry.update.head.base_height for entry in self._entries.values()), default=None)

    @property
    def sending(self) -> bool:
        """Whether an update still lacks f+1 confirmations."""
        return any(not self._is_quiet(entry) for entry in self._entries.values())

    @property
    def wants_claim(self) -> bool:
        """Whether an update seems refused, so that a claim decides."""
        return any(len(entry.refused) >= self._enough for entry in self._entries.values())

    def update(self, root: bytes) -> PendingUpdate | None:
        """A pending update."""
        entry = self._entries.get(root)
        return None if entry is None else entry.update

    def add(self, update: PendingUpdate, now_ms: int) -> None:
        """Send a saved update from now on."""
        chunks = set(range(len(update.chunk_hashes)))
        self._entries[update.head.update_root] = _Entry(update, now_ms, self._timing.offer_ms, chunks)

    def restore(self, update: PendingUpdate) -> None:
        """Go on with an update of an earlier run: validators know what they miss of it."""
        self._entries[update.head.update_root] = _Entry(update, 0, self._timing.offer_ms)

    def link_up(self, now_ms: int) -> None:
        """Offer everything again: receipts and lists of missing chunks may have been lost."""
        self._linked = True
        for entry in self._entries.values():
            entry.offer_due_ms, entry.wait_ms = now_ms, self._timing.offer_ms
            entry.offered_again = False

    def link_lost(self) -> None:
        """No token survives a connection: what was not acknowledged is sent again."""
        self._linked = False
        for flight in self._in_flight.values():
            self._put_back(flight)
        self._in_flight.clear()

    def acknowledged(self, event: Acknowledged) -> None:
        """The MQTT server took a chunk; if nobody listened, it goes again with the next offer."""
        flight = self._in_flight.pop(event.token, None)
        if flight is not None and not event.delivered and flight.root in self._entries:
            self._entries[flight.root].missing.add(flight.index)

    def receipt(self, validator: bytes, receipt: Receipt) -> None:
        """Take a receipt that this key signed; a validator's later word replaces its earlier one. Keys are
        counted and not seats: after an epoch's end a seat may be somebody else's."""
        entry = self._entries.get(receipt.update_root)
        if entry is None:
            return
        entry.accepted.discard(validator)
        entry.refused.pop(validator, None)
        if receipt.verdict == ACCEPTED:
            entry.accepted.add(validator)
        else:
            entry.refused[validator] = REASONS[receipt.reason]

    def seated(self, validators: Container[bytes]) -> None:
        """What a key without a seat has said counts no more: an update that lacks f+1 receipts by that is
        offered again, to those who can include it [RCP-1]."""
        for entry in self._entries.values():
            was_quiet = self._is_quiet(entry)
            entry.accepted = {key for key in entry.accepted if key in validators}
            entry.refused = {key: reason for key, reason in entry.refused.items() if key in validators}
            if was_quiet and not self._is_quiet(entry):
                entry.offer_due_ms, entry.wait_ms = 0, self._timing.offer_ms

    def missing(self, root: bytes, bitmap: Bitmap, now_ms: int) -> None:
        """Unite what validators miss; raises `ProtocolError` for nonsense."""
        entry = self._entries.get(root)
        if entry is None or self._is_quiet(entry):
            return
        if bitmap.count != len(entry.update.chunk_hashes):
            raise ProtocolError(Reason.OUT_OF_RANGE, f"update of {bitmap.count} chunks")
        if entry.repeats >= REPEATS_MAX:
            raise ProtocolError(Reason.RATE, f"chunks were sent again {REPEATS_MAX} times")
        if entry.unsent or any(flight.root == root for flight in self._in_flight.values()):
            return  # written before it could see what is under way; a validator reminds
        entry.missing.update(bitmap.indices())
        if entry.missing and entry.collect_due_ms is None:
            entry.collect_due_ms = now_ms + self._timing.collect_ms

    def settle_placed(self, placed: Placed, round_number: int) -> SettleUpdate:
        """The update is proven to stand in a block."""
        settled = self._settle(placed.update_root, Fate.INCLUDED, None, (placed.height, round_number))
        return replace(settled, proof=placed.proof, at=placed.ancestor)

    def settle_absent(
        self, account: Account, height: int, round_number: int, staleness_max: int
    ) -> list[SettleUpdate]:
        """Settle what an answer as of `height` did not show and what can not come any more.

        Our proven account tells whether an update of its last round counted, whatever the validator shows.
        What can still come is offered again, once over each link: who confirmed it may have lost it.
        """
        settled = []
        for root, entry in list(self._entries.items()):
            made_in = entry.update.head.round
            expired = round_number - made_in > staleness_max
            counted = account.last_round == made_in
            if expired and counted:
                settled.append(self._settle(root, Fate.INCLUDED, None, (0, round_number)))
            elif expired:
                settled.append(self._settle(root, Fate.EXPIRED, Reason.EXPIRED, (height, round_number)))
            elif len(entry.refused) >= self._enough and not counted:
                reason = min(entry.refused.items())[1]
                settled.append(self._settle(root, Fate.REFUSED, reason, (height, round_number)))
            elif round_number > made_in and not counted and not entry.offered_again:
                entry.offered_again, entry.offer_due_ms, entry.wait_ms = True, 0, self._timing.offer_ms
                entry.accepted.clear()
        return settled

    def _settle(self, root: bytes, fate: Fate, reason: Reason | None, at: tuple[int, int]) -> SettleUpdate:
        del self._entries[root]
        return SettleUpdate(root, fate, reason, *at)

    def advance(self, now_ms: int) -> list[Publish | PublishChunk]:
        """Everything that may be sent now."""
        if not self._linked:
            return []
        for token, flight in list(self._in_flight.items()):
            if flight.due_ms <= now_ms:
                del self._in_flight[token]
                self._put_back(flight)
        effects: list[Publish | PublishChunk] = []
        for root, entry in self._entries.items():
            effects += self._offer(root, entry, now_ms)
            effects += self._chunks(root, entry, now_ms)
        return effects

    def deadline(self) -> int | None:
        """When `advance` has something to do, as long as the link is up."""
        if not self._linked:
            return None
        waits = [flight.due_ms for flight in self._in_flight.values()]
        for entry in self._entries.values():
            if not self._is_quiet(entry):
                waits += [entry.offer_due_ms]
                waits += [] if entry.collect_due_ms is None else [entry.collect_due_ms]
        return earliest(*waits)

    def _is_quiet(self, entry: _Entry) -> bool:
        """Nothing is sent any more: enough validators have it, or enough refuse it."""
        return max(len(entry.accepted), len(entry.refused)) >= self._enough

    def _offer(self, root: bytes, entry: _Entry, now_ms: int) -> Iterable[Publish]:
        if self._is_quiet(entry) or now_ms < entry.offer_due_ms:
            return ()
        entry.unsent |= entry.missing
        entry.missing.clear()
        entry.collect_due_ms = None
        entry.offer_due_ms = now_ms + entry.wait_ms
        entry.wait_ms = doubled(entry.wait_ms, self._timing.offer_ms_max)
        offer = UpdateOffer(entry.update.head, entry.update.chunk_hashes)
        return (Publish(self._topics.up_head(self._device, root.hex()), offer.encode()),)

    def _chunks(self, root: bytes, entry: _Entry, now_ms: int) -> list[PublishChunk]:
        if self._is_quiet(entry):
            return []
        if entry.collect_due_ms is not None and entry.collect_due_ms <= now_ms:
            entry.unsent |= entry.missing
            entry.missing.clear()
            entry.collect_due_ms = None
            entry.repeats += 1
        room = WINDOW_CHUNKS - len(self._in_flight)
        return [self._send(root, entry, index, now_ms) for index in sorted(entry.unsent)[: max(room, 0)]]

    def _send(self, root: bytes, entry: _Entry, index: int, now_ms: int) -> PublishChunk:
        entry.unsent.discard(index)
        self._tokens += 1
        flight = _InFlight(root, index, now_ms + self._timing.acknowledge_ms)
        self._in_flight[self._tokens] = flight
        topic = self._topics.up_chunk(self._device, root.hex(), index)
        return PublishChunk(topic, root, index, self._tokens)

    def _put_back(self, flight: _InFlight) -> None:
        entry = self._entries.get(flight.root)
        if entry is not None:
            entry.unsent.add(flight.index)
