"""Getting blocks and update bodies from the other validators, and checking blocks once they are all here.

Four ways in: a proposal to vote on (`CheckBlock`), a certified block this validator does not have
(`FetchBlock`, which walks back to a known ancestor), a run of finalised headers when it is far behind, and a
checkpoint when others have pruned what it would have to execute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from broker.core.archive import Archive
from broker.core.backfill import Backfill
from broker.core.catch_up import CatchUp
from broker.core.checkpoint_sync import PATIENCE_MS, CheckpointSync
from broker.core.consensus.events import BlockChecked, CheckBlock, FetchBlock, Finalised, Verdict
from broker.core.consensus.justification import parent_of
from broker.core.effects import (
    InstallCheckpoint,
    StoreBlock,
    StoreFinal,
    StoreHandoffs,
    StoreHeaders,
    StoreOldBlock,
    StoreUpdateBody,
)
from broker.core.ledger import Clock, Ledger, Tip
from broker.core.rate import OUTSIDER_RUNS, Buckets
from broker.core.seating import Seating
from edge_client.protocol.body import BODY_BYTES_MAX, Body, decode_block
from edge_client.protocol.checkpoint import Checkpoint
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.fetch import PUSHES_MAX, Accept, Fetched, Fetcher
from edge_client.protocol.header import Header
from edge_client.protocol.light import HeaderRun
from edge_client.protocol.machine import Refused
from edge_client.protocol.messages import Ask, Handoffs
from edge_client.protocol.state import ChainState
from edge_client.protocol.update import UpdateHead, update_root_of

PENDING_MAX = 64
Stores = (
    StoreUpdateBody
    | StoreBlock
    | StoreFinal
    | StoreHeaders
    | StoreHandoffs
    | InstallCheckpoint
    | StoreOldBlock
)
WALK_BLOCKS_MAX = 4
"""A certified block further above the head than this is reached by a run of headers."""


@dataclass(slots=True)
class Pending:
    """A block to check. `for_vote`: it is only proposed, so R2's time window applies, and nothing is done for
    it outside its own slot. `missing`: updates whose bodies may not be here, None before the heads are
    checked.
    """

    block_hash: bytes
    slot: int
    for_vote: bool
    header: Header | None = None
    body: Body | None = None
    missing: list[UpdateHead] | None = None


@dataclass(slots=True)
class Outcome:
    """What one step produced: answers for consensus, and what to write before they are given, in order."""

    stores: list[Stores] = field(default_factory=list)
    answers: list[BlockChecked | Finalised] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class Peers:
    """Blocks on their way in."""

    def __init__(
        self, seating: Seating, archive: Archive, ledger: Ledger, clock: Clock, next_nonce: Callable[[], int]
    ) -> None:
        self._seating = seating
        self._archive = archive
        self._ledger = ledger
        self._clock = clock
        self._pending: dict[bytes, Pending] = {}
        self._outcome = Outcome()
        self._wanted: set[bytes] = set()
        self._asked: set[bytes] = set()
        self._outsider_runs = Buckets(OUTSIDER_RUNS)
        self.fetcher = Fetcher(next_nonce, PUSHES_MAX)
        self.catch_up = CatchUp(ledger, next_nonce)
        self.checkpoints = CheckpointSync(ledger, archive, seating, next_nonce)
        self._backfill = Backfill(archive, ledger.rules.chain_id)
        self._stuck = (0, 0)
        self._executes_until_ms = 0

    # --- what is to be checked ----------------------------------------------------------------------------

    def check_block(self, request: CheckBlock) -> None:
        """A proposal: its body was pushed by the leader, or is asked for."""
        header = request.proposal.header
        block_hash = header.hash(self._ledger.rules.chain_id)
        self._add(Pending(block_hash, header.slot, for_vote=True, header=header))

    def fetch_block(self, request: FetchBlock) -> None:
        """A certified block that is not here."""
        if request.height > self._ledger.head.height + WALK_BLOCKS_MAX:
            self.catch_up.aim(request.height)
        elif request.height > self._ledger.head.height:
            self._add(Pending(request.hash, request.slot, for_vote=False))

    def _add(self, pending: Pending) -> Pending:
        """The pending block of this hash; a certificate counts more than a proposal."""
        known = self._pending.get(pending.block_hash)
        if known is not None:
            known.for_vote = known.for_vote and pending.for_vote
            return known
        if len(self._pending) >= PENDING_MAX:
            least = min(self._pending.values(), key=lambda one: (not one.for_vote, one.slot))
            del self._pending[least.block_hash]
        self._pending[pending.block_hash] = pending
        return pending

    def settle(self) -> None:
        """After a new head: no block of its slot or an earlier one can become final any more."""
        slot = self._ledger.head.slot
        self._pending = {key: one for key, one in self._pending.items() if one.slot > slot}

    def begin_epoch(self) -> None:
        """No block of the last epoch can become final any more, and nobody of it has blocks to push."""
        self._pending.clear()
        self.fetcher.forget_pushed()

    # --- getting it ---------------------------------------------------------------------------------------

    def header_run(self, run: HeaderRun, sender: str, now_ms: int) -> None:
        """A run of headers from another node, wanted or not; raises `ProtocolError`. Whoever is far behind
        may know nobody who has a seat by now: outsiders are heard, but not more than can be checked."""
        wanted = self.catch_up.wants(run) or self.checkpoints.is_active
        if not wanted:
            return
        seated = self._seating.now
        if seated.index_of(sender) is None:
            self._outsider_runs.take("", now_ms)
        if self.checkpoints.is_active:
            self._store(self.checkpoints.headers(run, now_ms))
        else:
            self.catch_up.headers(run, seated)

    def checkpoint(self, offer: Checkpoint, sender: str, now_ms: int) -> None:
        """Another node's checkpoint, wanted or not."""
        self.checkpoints.offered(offer, sender, now_ms)

    def handoffs(self, message: Handoffs, now_ms: int) -> None:
        """Handoffs from another node, wanted or not; raises `ProtocolError`."""
        found, headers = self.checkpoints.handoffs(message, now_ms)
        if found:
            self._outcome.stores.append(StoreHandoffs(found))
        self._store(headers)

    def _store(self, headers: StoreHeaders | None) -> None:
        if headers is not None:
            self._outcome.stores.append(headers)

    def piece(self, source: str, root: bytes, index: int, payload: bytes, now_ms: int) -> list[Ask]:
        """A chunk from a peer; raises `ProtocolError`."""
        self.checkpoints.heard_of(root, now_ms)
        fetched, asks = self.fetcher.piece(source, root, index, payload, now_ms)
        if fetched is not None:
            self._stuck = (self._ledger.head.height, now_ms)
            self._take(fetched)
        return asks

    def due(self, now_ms: int) -> list[Ask]:
        """Questions to publish now."""
        way = self.checkpoints if self.checkpoints.is_active else self.catch_up
        return [*self.fetcher.due(now_ms), *way.due(now_ms)]

    def deadline(self) -> int | None:
        """When `due` has something to say."""
        way = self.checkpoints if self.checkpoints.is_active else self.catch_up
        times = (self.fetcher.deadline(), way.deadline(), self._backfill.deadline())
        return min((at for at in times if at is not None), default=None)

    def _want_block(self, block_hash: bytes) -> None:
        self._wanted.add(block_hash)
        if block_hash in self.fetcher:
            return
        stored = self._archive.block(block_hash)
        if stored is not None:
            self._take(Fetched(ObjectKind.BLOCK, block_hash, stored))
            return

        def accept(data: bytes) -> bool:
            return self._is_block(data, block_hash)

        self._want(ObjectKind.BLOCK, block_hash, Header.LAYOUT.size_bytes + BODY_BYTES_MAX, accept)

    def _is_block(self, data: bytes, block_hash: bytes) -> bool:
        try:
            header, _ = decode_block(data)
        except ProtocolError:
            return False
        return header.hash(self._ledger.rules.chain_id) == block_hash

    def _want_update(self, head: UpdateHead, state: ChainState) -> None:
        self._wanted.add(head.update_root)
        if head.update_root in self.fetcher:
            return
        public_key = state.accounts[head.account].public_key

        def accept(data: bytes) -> bool:
            root = update_root_of(public_key, head.round, data)
            return len(data) == head.size and root == head.update_root

        self._want(ObjectKind.UPDATE, head.update_root, head.size, accept)

    def _want(self, kind: ObjectKind, root: bytes, size_bytes_max: int, accept: Accept) -> None:
        fetched = self.fetcher.want(kind, root, size_bytes_max, accept)
        if fetched is not None:
            self._take(fetched)

    def _take(self, fetched: Fetched) -> None:
        """An update body is written before any answer that rests on it: it goes into the step's own list."""
        if fetched.kind == ObjectKind.UPDATE:
            self._ledger.keep_update(fetched.root, fetched.data)
            self._outcome.stores.append(StoreUpdateBody(fetched.root, fetched.data))
            return
        if fetched.kind != ObjectKind.BLOCK:
            self.checkpoints.take(fetched.kind, fetched.root, fetched.data)
            return
        header, body = decode_block(fetched.data)
        pending = self._pending.get(fetched.root)
        if pending is not None:
            pending.header, pending.body = header, body
        self.catch_up.block(fetched.root, body)
        old = self._backfill.take(fetched.root, header, body)
        if old is not None:
            self._outcome.stores.append(old)

    # --- checking it --------------------------------------------------------------------------------------

    def step(self, slot: int, now_ms: int) -> Outcome:
        """Check whatever has become checkable while consensus is in `slot`; call until it has no answers."""
        self._wanted = set()
        self._choose_way(now_ms)
        if self.checkpoints.is_active:
            self._step_checkpoint()
        else:
            self._step_catch_up()
        old_block = self._backfill.wanted(now_ms)
        if old_block is not None:
            self._want_block(old_block)
        todo = sorted(self._pending.values(), key=lambda one: one.slot, reverse=True)
        while todo:
            parent = self._step_pending(todo.pop(), slot, now_ms)
            if parent is not None:
                todo.append(parent)
        for root in self._asked - self._wanted:
            self.fetcher.forget(root)
        self._asked = self._wanted
        outcome, self._outcome = self._outcome, Outcome()
        return outcome

    def _step_pending(self, pending: Pending, slot: int, now_ms: int) -> Pending | None:
        """Check one block if everything for it is here; returns its parent if that must be got first."""
        if pending.for_vote and pending.slot != slot:
            return None
        if pending.body is None:
            self._want_block(pending.block_hash)
        header, body = pending.header, pending.body
        if header is None or body is None:
            return None
        parent = parent_of(body.justification, self._seating.now.root)
        tip = self._ledger.tip(parent.hash)
        if tip is not None:
            self._judge(pending, header, body, tip, now_ms)
        elif parent.height <= self._ledger.head.height:
            self._pending.pop(pending.block_hash, None)
        elif not pending.for_vote and parent.hash not in self._pending:
            return self._add(Pending(parent.hash, parent.slot, for_vote=False))
        return None

    def _judge(self, pending: Pending, header: Header, body: Body, tip: Tip, now_ms: int) -> None:
        """Answer as soon as it is clear; only what is allowed is fetched for."""
        if pending.for_vote and not self._is_timely(header, now_ms):
            answer = BlockChecked(header, body.justification, Verdict.UNTIMELY)
        else:
            try:
                if pending.missing is None:
                    self._ledger.check_updates(tip, header, body)
                    pending.missing = list(body.updates)
                pending.missing = self._still_missing(pending.missing, tip.state)
                if pending.missing:
                    return
                candidate = self._ledger.check(tip, header, body)
                self._outcome.stores.append(self._ledger.stored(candidate))
                seals = candidate.tip.state.seats.is_sealed
                answer = BlockChecked(header, body.justification, seals=seals)
            except ProtocolError as error:
                answer = BlockChecked(header, body.justification, Verdict.INVALID, str(error))
        self._pending.pop(pending.block_hash, None)
        self._outcome.answers.append(answer)

    def _is_timely(self, header: Header, now_ms: int) -> bool:
        """R2's window."""
        now_s = self._clock.chain_time_s(now_ms)
        return now_s - self._clock.lag_s <= header.time_s <= now_s + self._clock.drift_s

    def _still_missing(self, heads: list[UpdateHead], state: ChainState) -> list[UpdateHead]:
        for head in heads:
            if not self._ledger.has_update(head.update_root):
                self._want_update(head, state)
        return [head for head in heads if not self._ledger.has_update(head.update_root)]

    def _choose_way(self, now_ms: int) -> None:
        """Execute what can be executed; a checkpoint when that is pruned by now, or does not come."""
        run, height = self.catch_up.current(), self._ledger.head.height
        if self.checkpoints.expire(now_ms):
            self._executes_until_ms = now_ms + PATIENCE_MS
        if run is None or self._stuck[0] != height or self.checkpoints.is_active:
            self._stuck = (height, now_ms)
        may_start = self._is_pruned() and now_ms >= self._executes_until_ms
        if may_start or now_ms - self._stuck[1] >= PATIENCE_MS:
            self.checkpoints.start(now_ms)

    def _is_pruned(self) -> bool:
        """Whether bodies of the block above the head are outside the window of those that are ahead."""
        run, head = self.catch_up.run, self._ledger.head
        known = max(self.catch_up.target, run.headers[-1].height if run else 0)
        return known - head.height >= head.state.params.in_force.body_window

    def _step_checkpoint(self) -> None:
        def want(kind: ObjectKind, root: bytes, size_bytes_max: int, accept: Accept) -> None:
            self._wanted.add(root)
            if root not in self.fetcher:
                self._want(kind, root, size_bytes_max, accept)

        installed = self.checkpoints.step(want)
        if isinstance(installed, Refused):
            self._outcome.refused.append(installed)
        elif installed is not None:
            self.catch_up.skip()
            self._backfill.resume()
            self._outcome.stores.append(installed)
            if installed.certificate is not None:
                seals = installed.state.seats.is_sealed
                self._outcome.answers.append(Finalised(installed.header, installed.certificate, seals))

    def _step_catch_up(self) -> None:
        while (run := self.catch_up.current()) is not None:
            if run.body is None:
                self._want_block(run.headers[0].hash(self._ledger.rules.chain_id))
            if run.body is None:
                break
            if run.missing is None:
                self._ledger.check_updates(self._ledger.head, run.headers[0], run.body)
                run.missing = list(run.body.updates)
            run.missing = self._still_missing(run.missing, self._ledger.head.state)
            if run.missing:
                break
            self._outcome.stores += self.catch_up.apply(run, run.body)
        if (caught_up := self.catch_up.finished()) is not None:
            self._outcome.answers.append(caught_up)
