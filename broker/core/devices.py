"""The desk where devices are served: offers, chunks, questions, receipts (PROTOCOL §Updates, §Asks)."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from broker.core.answers import header_run, pieces, vouched
from broker.core.archive import Archive
from broker.core.attacks import Attacks
from broker.core.consensus import events as on
from broker.core.effects import StoreAttack, StoreUpdate
from broker.core.identity import Identity
from broker.core.ingest import Complete, Ingest
from broker.core.ledger import Ledger
from broker.core.pool import FINAL_REASONS, Pool
from broker.core.rate import (
    ATTACK_TOKENS,
    DEVICE_ASKS,
    DEVICE_WORDS,
    RUN_TOKENS,
    WAKE_TOKENS,
    Buckets,
)
from broker.core.seating import Seating
from broker.core.waking import Wakings
from edge_client.protocol.attack import LightAttack
from edge_client.protocol.checkpoint import GetCheckpoint
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.hops import answer_handoffs
from edge_client.protocol.keys import node_id
from edge_client.protocol.machine import Note, Publish
from edge_client.protocol.messages import (
    ACCEPTED,
    REASONS,
    REFUSED,
    Ask,
    GetChunks,
    GetHandoffs,
    GetHeaders,
    Handoffs,
    Question,
    Receipt,
    Say,
    SubmitRecord,
    UpdateOffer,
    encode_say,
)
from edge_client.protocol.records import OptIn, OptOut, Register
from edge_client.protocol.update import UpdateHead
from edge_client.protocol.vouched import GetVouched
from edge_client.protocol.wake import Fresh, Wake

DeskEffect = Publish | Note | StoreUpdate | StoreAttack | on.Evidence
DEVICE_KINDS = frozenset(ObjectKind) - {ObjectKind.UPDATE, ObjectKind.STATE}
"""What a device may fetch: never the update of another [ASK-8]. Of updates a block holds the heads only."""


@dataclass(slots=True)
class Desk:
    """Serves devices from the ledger's finalised head; changes nothing but pool and open uploads."""

    identity: Identity
    seating: Seating
    archive: Archive
    ledger: Ledger
    pool: Pool
    ingest: Ingest
    wakings: Wakings
    attacks: Attacks
    rates: Buckets
    words: Buckets

    @classmethod
    def of(cls, identity: Identity, seating: Seating, archive: Archive, ledger: Ledger, pool: Pool) -> Desk:
        """A desk with nothing open."""
        chain_id = identity.rules.chain_id
        ingest, rates, words = Ingest(identity.rules), Buckets(DEVICE_ASKS), Buckets(DEVICE_WORDS)
        attacks = Attacks(identity, archive, ledger)
        return cls(
            identity,
            seating,
            archive,
            ledger,
            pool,
            ingest,
            Wakings(archive, chain_id),
            attacks,
            rates,
            words,
        )

    @property
    def is_open(self) -> bool:
        """Only who has a seat serves devices; another's word counts for nothing with them."""
        return self.seating.now.own_index is not None

    def offer(self, device: str, root_text: str, payload: bytes, now_ms: int) -> list[DeskEffect]:
        """`up/<dev>/head/<root>`; raises `ProtocolError` after the refusal is on its way."""
        self.rates.take(device, now_ms)
        offer = UpdateOffer.decode(payload)
        root, state = offer.head.update_root, self.ledger.head.state
        if root.hex() != root_text:
            raise ProtocolError(Reason.WRONG_HASH, "topic names another update")
        self.ingest.check_own(device, offer, state)
        if root in self.pool or self.archive.inclusion(root) is not None:
            return [self._receipt(device, root, None)]
        self.pool.check_place(offer.head)
        try:
            missing = self.ingest.offer(device, offer, state, now_ms)
        except ProtocolError as error:
            answer = [self._receipt(device, root, error.reason)] if error.reason in FINAL_REASONS else []
            raise RefusedUpdateError(error, answer) from None
        return [] if missing is None else [self._say(device, missing)]

    def chunk(self, device: str, root: bytes, index: int, payload: bytes, now_ms: int) -> list[DeskEffect]:
        """`up/<dev>/chunk/<root>/<i>`; raises `ProtocolError`. Chunks that the root covers but that are no
        body together can never count: that is refused for good."""
        was_open = root in self.ingest.uploads
        try:
            complete = self.ingest.chunk(device, root, index, payload, now_ms)
        except ProtocolError as error:
            is_hopeless = was_open and root not in self.ingest.uploads
            answer = [self._receipt(device, root, error.reason)] if is_hopeless else []
            raise RefusedUpdateError(error, answer) from None
        return self._keep(device, complete) if complete else []

    def _keep(self, device: str, complete: Complete) -> list[DeskEffect]:
        """Persist before the receipt: what a validator has signed for survives its crash."""
        head = complete.offer.head
        self.pool.check_place(head)
        self.pool.add_update(head)
        self.ledger.keep_update(head.update_root, complete.body)
        note = Note("update_stored", {"device": device, "round": head.round, "bytes": head.size})
        return [
            StoreUpdate(complete.offer, complete.body),
            note,
            self._receipt(device, head.update_root, None),
        ]

    def ask(self, device: str, payload: bytes, now_ms: int) -> list[DeskEffect]:
        """`up/<dev>/ask`; raises `ProtocolError`. Records and reports are taken by everyone, answers given by
        one; who wakes up may also want everyone's word on the head."""
        ask = Ask.decode(payload)
        question = ask.question
        self.rates.take(device, now_ms, _tokens(question))
        if isinstance(question, SubmitRecord):
            return self._submit(device, question, now_ms)
        if isinstance(question, LightAttack):
            return [*self.attacks.report(device, question)]
        words = self._word(device, ask.nonce, now_ms) if isinstance(question, Wake) and question.fresh else []
        if not self.seating.now.has_turn(ask.nonce, ask.attempt, device):
            return words
        if isinstance(question, GetCheckpoint) or (
            isinstance(question, GetChunks) and question.kind not in DEVICE_KINDS
        ):
            raise ProtocolError(Reason.WRONG_SENDER, "only validators ask for that")
        return [*words, *self._answer(device, question)]

    def _answer(
        self, device: str, question: GetHeaders | GetChunks | GetHandoffs | GetVouched | Wake
    ) -> list[DeskEffect]:
        match question:
            case GetHeaders():
                run = header_run(self.archive, question)
                return [] if run is None else [self._say(device, run)]
            case GetChunks():
                root, topics = question.root.hex(), self.identity.topics
                return [
                    Publish(topics.down_chunk(device, self.identity.name, root, index), data)
                    for index, data in pieces(self.archive, question)
                ]
            case GetVouched(above, height):
                shown = vouched(self.archive, above, height)
                return [] if shown is None else [self._say(device, shown)]
            case GetHandoffs(first, last):
                found = answer_handoffs(first, last, self.archive.handoff)
                return [self._say(device, Handoffs(found))] if found else []
            case Wake() if not self._can_tell(question.update_roots):
                return []
            case Wake():
                account = self._account_of(device)
                awake = self.wakings.answer(self.ledger.head, account, question)
                return [] if awake is None else [self._say(device, awake)]

    def _word(self, device: str, nonce: int, now_ms: int) -> list[DeskEffect]:
        """What the head is, signed for this question [FRS-1]; raises `ProtocolError` when the device wants
        too many signatures."""
        self.words.take(device, now_ms)
        head, identity = self.ledger.head, self.identity
        fresh = Fresh(nonce, head.height, head.hash)
        return [self._say(device, fresh.sign(identity.signer, identity.rules.chain_id))]

    def _can_tell(self, update_roots: Sequence[bytes]) -> bool:
        """Whether what is not found here is not on the chain; while blocks are lacking others may know."""
        known = self.archive.inclusion
        return self.archive.lacking() is None or all(known(root) is not None for root in update_roots)

    def _submit(self, device: str, question: SubmitRecord, now_ms: int) -> list[DeskEffect]:
        record = question.record
        if isinstance(record, UpdateHead):
            raise ProtocolError(Reason.MALFORMED, "an update is offered, not submitted as a record")
        if isinstance(record, Register) and node_id(record.public_key) != device:
            raise ProtocolError(Reason.WRONG_SENDER, "registration of another device's key")
        if isinstance(record, Register) and self._account_of(device) is not None:
            return []  # sent again before the device could know of its account
        if isinstance(record, OptIn | OptOut) and self._account_of(device) != record.account:
            raise ProtocolError(Reason.WRONG_SENDER, "wish of another device's account")
        if self.pool.add_record(record, self.ledger.head, now_ms):
            return [Note("record_pending", {"device": device, "kind": type(record).__name__})]
        return []

    def _account_of(self, device: str) -> int | None:
        """Devices are known by the hash of their key; the index is kept by the ledger's state."""
        return self.identity.accounts.find(device, self.ledger.head.state.accounts)

    def reminders(self, now_ms: int) -> list[DeskEffect]:
        """Bitmaps of what is missing, for uploads that went quiet."""
        overdue = self.ingest.overdue(now_ms)
        return [self._say(device, missing) for device, missing in overdue] if self.is_open else []

    def settle(self, included: AbstractSet[bytes]) -> list[DeskEffect]:
        """After a new head that holds these updates: drop what cannot count any more, and say so."""
        state = self.ledger.head.state
        self.ingest.settle(state)
        effects: list[DeskEffect] = []
        for head, reason in self.pool.settle(self.ledger.head):
            if head.update_root not in included and self.is_open:
                device = node_id(state.accounts[head.account].public_key)
                effects.append(self._receipt(device, head.update_root, reason))
        return effects

    def jumped(self) -> None:
        """After a head that was not reached block by block: drop what cannot count any more and say nothing
        about it."""
        self.ingest.settle(self.ledger.head.state)
        self.pool.settle(self.ledger.head)

    def _receipt(self, device: str, root: bytes, refused: Reason | None) -> Publish:
        verdict = ACCEPTED if refused is None else REFUSED
        reason = 0 if refused is None else REASONS.index(refused)
        receipt = Receipt(verdict, reason, self.ledger.head.height, root)
        return self._say(device, receipt.sign(self.identity.signer, self.identity.rules.chain_id))

    def _say(self, device: str, message: Say) -> Publish:
        topic = self.identity.topics.down_say(device, self.identity.name)
        return Publish(topic, encode_say(message))


class RefusedUpdateError(ProtocolError):
    """A refused update, with the signed refusal to send back."""

    def __init__(self, error: ProtocolError, answer: Sequence[DeskEffect]) -> None:
        super().__init__(error.reason, error.detail)
        self.answer = answer


def _tokens(question: Question) -> int:
    """What answering costs, so that a device cannot keep a validator busy with the dear questions."""
    match question:
        case GetHeaders() | GetHandoffs() | GetVouched():
            return RUN_TOKENS
        case Wake():
            return WAKE_TOKENS + len(question.update_roots)
        case LightAttack():
            return ATTACK_TOKENS
        case _:
            return 1
