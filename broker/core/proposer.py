"""When a block is due as this validator sees it, and what it puts into one when it leads (RND-4, CON-R1)."""

from __future__ import annotations

from broker.core.consensus.events import BuildBlock
from broker.core.ledger import Candidate, Clock, Ledger, Place
from broker.core.pool import Pool
from broker.core.seating import Seating


class Proposer:
    """Looks at pool and clock; consensus decides whose turn it is."""

    def __init__(self, seating: Seating, ledger: Ledger, pool: Pool, clock: Clock) -> None:
        self._seating = seating
        self._ledger = ledger
        self._pool = pool
        self._clock = clock
        self._asked: BuildBlock | None = None
        self._is_due = False
        self._next_due_ms: int | None = None
        self._looked_at: tuple[int, int, int] | None = None

    def becomes_due(self, now_ms: int) -> bool:
        """Whether a block is due now that was not before. Everything in the pool is looked at, so only when
        head, pool or chain time changed."""
        head, time_s = self._ledger.head, self._clock.chain_time_s(now_ms)
        looked_at = (head.height, self._pool.changes_count, time_s)
        is_time = self._next_due_ms is not None and now_ms >= self._next_due_ms
        if looked_at == self._looked_at and not is_time:
            return False
        self._looked_at = looked_at
        was_due, self._is_due = self._is_due, self._is_due or self._pool.is_due(head.state, time_s, now_ms)
        self._next_due_ms = self._pool.next_due_ms(head.state, self._clock.t0_s, now_ms)
        return self._is_due and not was_due

    def deadline(self) -> int | None:
        """When time alone may make a block due."""
        return self._next_due_ms

    def ask(self, request: BuildBlock) -> None:
        """Consensus wants a block; a later request replaces an earlier one."""
        self._asked = request

    def build(self, now_ms: int) -> tuple[Candidate, BuildBlock] | None:
        """The block that consensus asked for, once, as soon as there is something to put into it."""
        asked, seated = self._asked, self._seating.now
        parent = self._ledger.tip(asked.parent_hash) if asked else None
        if asked is None or parent is None or seated.own_index is None:
            return None
        time_s = self._clock.chain_time_s(now_ms)
        records = self._pool.choose(parent, max(time_s, parent.time_s))
        if not records:
            return None
        place = Place(asked.slot, seated.own_index, time_s)
        candidate = self._ledger.build(parent, records, asked.justification, place)
        self._asked = None
        return candidate, asked

    def settle(self) -> None:
        """After a new head everything is looked at anew."""
        self._is_due, self._asked = False, None
