"""Getting blocks and update bodies from the other validators, and checking blocks once they are all here.

Three ways in: a proposal to vote on (`CheckBlock`), a certified block this validator does not have
(`FetchBlock`, which walks back to a known ancestor), and a run of finalised headers when it is far behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from broker.core.archive import Archive
from broker.core.catch_up import CatchUp
from broker.core.consensus.events import BlockChecked, CheckBlock, FetchBlock, Finalised, Verdict
from broker.core.consensus.justification import parent_of
from broker.core.effects import StoreBlock, StoreFinal, StoreUpdateBody
from broker.core.ledger import Clock, Ledger, Tip
from edge_client.protocol.body import BODY_BYTES_MAX, Body, decode_block
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.fetch import PUSHES_MAX, Fetched, Fetcher
from edge_client.protocol.header import Header
from edge_client.protocol.light import HeaderRun
from edge_client.protocol.messages import Ask
from edge_client.protocol.state import ChainState
from edge_client.protocol.update import UpdateHead, update_root_of

PENDING_MAX = 64
WALK_BLOCKS_MAX = 4
"""A certified block further above the head than this is reached by a run of headers."""


@dataclass(slots=True)
class Pending:
    """A block to check: `for_vote` applies the time window of R2; `body` is None until it is fetched."""

    block_hash: bytes
    for_vote: bool
    header: Header | None = None
    body: Body | None = None


@dataclass(slots=True)
class Outcome:
    """What one step produced: answers for consensus, and what to write before they are given."""

    stores: list[StoreUpdateBody | StoreBlock | StoreFinal] = field(default_factory=list)
    answers: list[BlockChecked | Finalised] = field(default_factory=list)


class Peers:
    """Blocks on their way in."""

    def __init__(self, archive: Archive, ledger: Ledger, clock: Clock, next_nonce: Callable[[], int]) -> None:
        self._archive = archive
        self._ledger = ledger
        self._clock = clock
        self._pending: dict[bytes, Pending] = {}
        self._to_store: list[StoreUpdateBody] = []
        self.fetcher = Fetcher(next_nonce, PUSHES_MAX)
        self.catch_up = CatchUp(ledger, next_nonce)

    def check_block(self, request: CheckBlock) -> None:
        """A proposal: its body was pushed by the leader, or is asked for."""
        header = request.proposal.header
        block_hash = header.hash(self._ledger.rules.chain_id)
        self._add(Pending(block_hash, for_vote=True, header=header))

    def fetch_block(self, request: FetchBlock) -> None:
        """A certified block that is not here."""
        if request.height > self._ledger.head.height + WALK_BLOCKS_MAX:
            self.catch_up.aim(request.height)
        elif request.height > self._ledger.head.height:
            self._add(Pending(request.hash, for_vote=False))

    def _add(self, pending: Pending) -> None:
        known = self._pending.get(pending.block_hash)
        if known is not None:
            known.for_vote = known.for_vote and pending.for_vote
            return
        if len(self._pending) >= PENDING_MAX:
            self._forget(next(iter(self._pending)))
        self._pending[pending.block_hash] = pending
        self._want_block(pending.block_hash)

    def _forget(self, block_hash: bytes) -> None:
        del self._pending[block_hash]
        self.fetcher.forget(block_hash)

    def _want_block(self, block_hash: bytes) -> None:
        stored = self._archive.block(block_hash)
        if stored is not None:
            self._take(Fetched(ObjectKind.BLOCK, block_hash, stored))
            return

        def accept(data: bytes) -> bool:
            return self._is_block(data, block_hash)

        fetched = self.fetcher.want(ObjectKind.BLOCK, block_hash, BODY_BYTES_MAX, accept)
        if fetched is not None:
            self._take(fetched)

    def _is_block(self, data: bytes, block_hash: bytes) -> bool:
        try:
            header, _ = decode_block(data)
        except ProtocolError:
            return False
        return header.hash(self._ledger.rules.chain_id) == block_hash

    def _want_update(self, head: UpdateHead, state: ChainState) -> None:
        account = state.accounts.get(head.account)
        if account is None:
            return

        def accept(data: bytes) -> bool:
            root = update_root_of(account.public_key, head.round, data)
            return len(data) == head.size and root == head.update_root

        fetched = self.fetcher.want(ObjectKind.UPDATE, head.update_root, head.size, accept)
        if fetched is not None:
            self._take(fetched)

    def _take(self, fetched: Fetched) -> None:
        if fetched.kind == ObjectKind.UPDATE:
            self._ledger.keep_update(fetched.root, fetched.data)
            self._to_store.append(StoreUpdateBody(fetched.root, fetched.data))
            return
        header, body = decode_block(fetched.data)
        pending = self._pending.get(fetched.root)
        if pending is not None:
            pending.header, pending.body = header, body
        self.catch_up.block(fetched.root, body)

    def piece(self, source: str, root: bytes, index: int, payload: bytes, now_ms: int) -> list[Ask]:
        """A chunk from a peer; raises `ProtocolError`."""
        fetched, asks = self.fetcher.piece(source, root, index, payload, now_ms)
        if fetched is not None:
            self._take(fetched)
        return asks

    def header_run(self, run: HeaderRun) -> None:
        """A run of headers from a peer; raises `ProtocolError`."""
        self.catch_up.headers(run)

    def step(self, now_ms: int) -> Outcome:
        """Check whatever has become checkable; call until it has no answers."""
        outcome = Outcome()
        outcome.stores, self._to_store = [*self._to_store], []
        self._step_catch_up(outcome)
        for pending in sorted(self._pending.values(), key=_height):
            if pending.header is not None and pending.body is not None:
                self._step_pending(pending, pending.header, pending.body, now_ms, outcome)
        return outcome

    def _step_pending(
        self, pending: Pending, header: Header, body: Body, now_ms: int, outcome: Outcome
    ) -> None:
        parent = parent_of(body.justification, self._ledger.rules.chain_id)
        tip = self._ledger.tip(parent.hash)
        if tip is None:
            if parent.height > self._ledger.head.height:
                self._add(Pending(parent.hash, for_vote=False))
            else:
                self._forget(pending.block_hash)
            return
        if self._missing_updates(tip, body):
            return
        self._forget(pending.block_hash)
        if pending.for_vote and not self._is_timely(header, body, tip, now_ms):
            outcome.answers.append(BlockChecked(header, body.justification, Verdict.UNTIMELY))
            return
        try:
            candidate = self._ledger.check(tip, header, body)
        except ProtocolError as error:
            fault = str(error)
            outcome.answers.append(BlockChecked(header, body.justification, Verdict.INVALID, fault))
            return
        outcome.stores.append(self._ledger.stored(candidate))
        outcome.answers.append(BlockChecked(header, body.justification))

    def _is_timely(self, header: Header, body: Body, parent: Tip, now_ms: int) -> bool:
        """R2's window; and an empty block only helps a parent that is not final here either."""
        now_s = self._clock.chain_time_s(now_ms)
        if not now_s - self._clock.lag_s <= header.time_s <= now_s + self._clock.drift_s:
            return False
        return bool(body.records) or parent.hash != self._ledger.head.hash

    def _missing_updates(self, tip: Tip, body: Body) -> bool:
        missing = [head for head in body.updates if self._ledger.update(head.update_root) is None]
        for head in missing:
            self._want_update(head, tip.state)
        return any(self._ledger.update(head.update_root) is None for head in missing)

    def _step_catch_up(self, outcome: Outcome) -> None:
        while (wanted := self.catch_up.next_block()) is not None:
            header, body = wanted
            if body is None:
                self._want_block(header.hash(self._ledger.rules.chain_id))
                if self.catch_up.lacks_body():
                    return
                continue
            if self._missing_updates(self._ledger.head, body):
                return
            self.catch_up.apply(header, body, outcome.stores)
        if (caught_up := self.catch_up.finished()) is not None:
            outcome.answers.append(caught_up)

    def settle(self) -> None:
        """After a new head: forget what is behind it."""
        head = self._ledger.head.height
        for block_hash, pending in list(self._pending.items()):
            if pending.header is not None and pending.header.height <= head:
                self._forget(block_hash)

    def due(self, now_ms: int) -> list[Ask]:
        """Questions to publish now."""
        return [*self.fetcher.due(now_ms), *self.catch_up.due(now_ms)]

    def deadline(self) -> int | None:
        """When `due` has something to say."""
        times = (self.fetcher.deadline(), self.catch_up.deadline())
        return min((at for at in times if at is not None), default=None)


def _height(pending: Pending) -> int:
    return pending.header.height if pending.header is not None else 0
