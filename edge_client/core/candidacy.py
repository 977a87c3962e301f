"""What the owner wishes about a seat, and how the device brings it about: it signs the record anew for every
ask, because a signed wish expires, and stops when the proven seats show it done."""

from __future__ import annotations

from edge_client.core.draws import Draws
from edge_client.core.events import SettleWish
from edge_client.core.identity import Identity
from edge_client.core.timing import doubled, earliest
from edge_client.core.trusted import TrustedHead
from edge_client.protocol.accounts import AccountProof
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.consent import Wish
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.fetch import Fetcher
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import Ask, SubmitRecord
from edge_client.protocol.params import RoundParams
from edge_client.protocol.records import OptIn, OptOut
from edge_client.protocol.seats import Seats
from edge_client.protocol.state_object import SEATS_BYTES_MAX


class Candidacy:
    """Keeps one wish going. The seats are fetched only while there is one."""

    def __init__(self, identity: Identity, draws: Draws) -> None:
        self._identity = identity
        self._draws = draws
        self._fetcher = Fetcher(draws.nonce)
        self._wish: Wish | None = None
        self._seats: Seats | None = None
        self._wanted: bytes | None = None
        self._is_open = False
        self._due_ms = 0
        self._wait_ms = identity.timing.register_ms

    def wish(self, wish: Wish | None) -> None:
        """The owner's latest word; None takes it back."""
        self._wish = wish
        self._due_ms, self._wait_ms = 0, self._identity.timing.register_ms

    def fetches(self, root: bytes) -> bool:
        """Whether a piece of this object is for the candidacy."""
        return root in self._fetcher

    def piece(self, source: str, root: bytes, index: int, payload: bytes, now_ms: int) -> list[Publish]:
        """A piece of the seats; raises `ProtocolError`."""
        fetched, asks = self._fetcher.piece(source, root, index, payload, now_ms)
        if fetched is not None:
            self._seats = Seats.decode(fetched.data)
        return [self._identity.ask(ask) for ask in asks]

    def advance(self, head: TrustedHead, proof: AccountProof | None) -> list[SettleWish]:
        """Fetch the seats of the head, and see in them whether the wish came true or cannot."""
        self._is_open = False
        if self._wish is None or proof is None or not head.height:
            return []
        root = head.state.seats_root
        if self._seats is None or self._seats.root() != root:
            self._want(root)
            return []
        verdict = self._verdict(self._wish, self._seats, proof)
        if verdict is None:
            self._is_open = True
            return []
        self._wish = None
        return [SettleWish(verdict)]

    def _want(self, root: bytes) -> None:
        if self._wanted == root:
            return
        if self._wanted is not None:
            self._fetcher.forget(self._wanted)
        self._wanted = root
        self._fetcher.want(ObjectKind.SEATS, root, SEATS_BYTES_MAX, lambda data: _is_seats(data, root))

    def _verdict(self, wish: Wish, seats: Seats, proof: AccountProof) -> str | None:
        """What became of it in a word or some; None while it is open."""
        row = seats.candidate_of(proof.index)
        if wish.consent is None:
            return "done" if row is None or row.is_leaving else None
        if row is not None:
            return "done" if row.key == wish.consent.key else "this account is a candidate with another key"
        if wish.consent.account != proof.index:
            return f"the consent is for account {wish.consent.account}, this is {proof.index}"
        if seats.candidate_with(wish.consent.key) is not None:
            return "the validator key is a candidate of another account"
        return None

    def ask(
        self, head: TrustedHead, params: RoundParams, proof: AccountProof | None, now_ms: int
    ) -> list[Publish]:
        """Questions to publish now: pieces of the seats, and the record once it is known to be missing."""
        asks = self._fetcher.due(now_ms)
        if self._wish is not None and proof is not None and self._is_open and now_ms >= self._due_ms:
            self._due_ms = now_ms + self._wait_ms
            self._wait_ms = doubled(self._wait_ms, self._identity.timing.register_ms_max)
            record = self._record(self._wish, head.height, params, proof)
            asks.append(Ask(self._draws.nonce(), 0, SubmitRecord(record)))
        return [self._identity.ask(one) for one in asks]

    def _record(self, wish: Wish, height: int, params: RoundParams, proof: AccountProof) -> OptIn | OptOut:
        signer, chain_id = self._identity.signer, self._identity.chain_id
        if wish.consent is None:
            return OptOut(proof.index, height).sign(signer, chain_id)
        return wish.consent.opt_in(wish.bond or params.bond, height).sign(signer, chain_id)

    def deadline(self) -> int | None:
        """When `ask` has something to ask."""
        return earliest(self._fetcher.deadline(), self._due_ms if self._is_open else None)


def _is_seats(data: bytes, root: bytes) -> bool:
    try:
        return Seats.decode(data).root() == root
    except DecodeError:
        return False
