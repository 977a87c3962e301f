"""What waits for a block: complete updates and pending records, and whether a block is due."""

from __future__ import annotations

from broker.core.ledger import Tip
from broker.core.record_pool import RecordPool
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.execution.checks import Rules, check_update
from edge_client.protocol.records import Record, Submitted
from edge_client.protocol.state import ChainState
from edge_client.protocol.update import UpdateHead

UPDATES_MAX = 8192

FINAL_REASONS = frozenset({Reason.STALE, Reason.REPLAY, Reason.WRONG_SHAPE})
"""Faults of a head that no later block can undo, because they follow from what its update root covers; only
such a refusal is signed [RCP-2]. The rest may be this validator's lag, or pass with a jail term or a change
of params, and then a block may still take the update."""


class Pool:
    """Bounded sets keyed by content, in order of arrival; all is judged again by the state it goes on."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._updates: dict[bytes, UpdateHead] = {}
        self._places: dict[tuple[int, int], bytes] = {}
        self._records = RecordPool(rules)
        self._judged: dict[bytes, bool | None] = {}
        self._judged_state: ChainState | None = None
        self.changes_count = 0
        """Grows with every change; what was computed from the pool stays true while it does not."""

    def __contains__(self, update_root: bytes) -> bool:
        return update_root in self._updates

    def check_place(self, head: UpdateHead) -> None:
        """Raise `ProtocolError` when there is no place: the pool is full, or another update of the same
        account and round waits already (an account has one a round)."""
        if len(self._updates) >= UPDATES_MAX:
            raise ProtocolError(Reason.RATE, "update pool is full")
        if self._places.get((head.account, head.round), head.update_root) != head.update_root:
            raise ProtocolError(Reason.DUPLICATE, f"second update for round {head.round}")

    def add_update(self, head: UpdateHead) -> None:
        """Take a head whose body is on disk."""
        self.changes_count += 1
        self._updates[head.update_root] = head
        self._places[head.account, head.round] = head.update_root

    def add_record(self, record: Submitted, tip: Tip, now_ms: int) -> bool:
        """See `RecordPool.add`."""
        is_new = self._records.add(record, tip, now_ms)
        self.changes_count += is_new
        return is_new

    def settle(self, tip: Tip) -> list[tuple[UpdateHead, Reason]]:
        """Drop what can go into no block on top of `tip` any more; returns the updates dropped and why."""
        dropped = []
        self.changes_count += 1
        for root, head in list(self._updates.items()):
            reason = self._fault(head, tip.state)
            if reason in FINAL_REASONS:
                dropped.append((head, reason))
                del self._updates[root]
                self._places.pop((head.account, head.round), None)
        self._records.settle(tip)
        return dropped

    def _fault(self, head: UpdateHead, state: ChainState) -> Reason | None:
        try:
            check_update(self._rules, state, head)
        except ProtocolError as error:
            return error.reason
        return None

    def choose(self, tip: Tip, time_s: int) -> list[Record]:
        """The records of the best block on `tip` at chain time `time_s`; empty when none is possible."""
        return [*self.choose_updates(tip.state, time_s), *self._records.choose(tip)]

    def choose_updates(self, state: ChainState, time_s: int) -> list[UpdateHead]:
        """Updates that close the round, earliest first, selected before others; none if it stays open."""
        params = state.params.in_force
        past_deadline = time_s >= state.learning.opened_at_s + params.round_s
        least = params.min_updates if past_deadline else params.k
        if len(self._updates) < least or (params.keeps_pace and not past_deadline):
            return []
        selected: list[UpdateHead] = []
        others: list[UpdateHead] = []
        accounts = set[int]()
        for head in self._updates.values():
            is_selected = self._is_selected(head, state)
            if is_selected is not None and head.account not in accounts:
                accounts.add(head.account)
                (selected if is_selected else others).append(head)
        chosen = selected + others if past_deadline else selected
        return chosen[: params.k_max] if len(chosen) >= least else []

    def _is_selected(self, head: UpdateHead, state: ChainState) -> bool | None:
        """`check_update`, None when it raises. Remembered for the state asked about last: with each update
        that comes, all that wait are looked at again."""
        if state is not self._judged_state:
            self._judged, self._judged_state = {}, state
        if head.update_root not in self._judged:
            try:
                self._judged[head.update_root] = check_update(self._rules, state, head)
            except ProtocolError:
                self._judged[head.update_root] = None
        return self._judged[head.update_root]

    def is_due(self, state: ChainState, time_s: int, now_ms: int) -> bool:
        """Whether a block should be made now, as far as this validator sees."""
        if self.choose_updates(state, time_s):
            return True
        return self._records.is_due(state.params.in_force, now_ms)

    def next_due_ms(self, state: ChainState, t0_s: int, now_ms: int) -> int | None:
        """When time alone may make a block due: the round's deadline, or a record that has waited enough."""
        params = state.params.in_force
        times = self._records.due_times(params)
        if self._updates:
            times.append((t0_s + state.learning.opened_at_s + params.round_s) * 1000)
        return min((at for at in times if at > now_ms), default=None)
