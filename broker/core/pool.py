"""What waits for a block: complete updates and pending records, and whether a block is due (DESIGN §7.6)."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.protocol.accounts import ACCOUNTS_MAX
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.execution.checks import Rules, check_params, check_register, check_update
from edge_client.protocol.records import ParamsChange, Record, Register
from edge_client.protocol.state import ChainState
from edge_client.protocol.update import UpdateHead

UPDATES_MAX = 8192
RECORDS_MAX = 4096

FINAL_REASONS = frozenset({Reason.STALE, Reason.REPLAY, Reason.WRONG_SHAPE})
"""Faults of a head that no later block can undo, because they follow from what its update root covers; only
such a refusal is signed [RCP-2]. The rest may be this validator's lag, or pass with a jail term or a change
of params, and then a block may still take the update."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pending record and when it came."""

    record: Register | ParamsChange
    since_ms: int


class Pool:
    """Bounded sets keyed by content, in order of arrival; all is judged again by the state it goes on."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._updates: dict[bytes, UpdateHead] = {}
        self._places: dict[tuple[int, int], bytes] = {}
        self._records: dict[bytes, Waiting] = {}
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

    def add_record(self, record: Register | ParamsChange, state: ChainState, now_ms: int) -> bool:
        """Take a record fit for the next block; False if it waits already; raises `ProtocolError`."""
        key = _record_key(record)
        if key in self._records:
            return False
        if len(self._records) >= RECORDS_MAX:
            raise ProtocolError(Reason.RATE, "record pool is full")
        self._check(record, state)
        self.changes_count += 1
        self._records[key] = Waiting(record, now_ms)
        return True

    def _check(self, record: Register | ParamsChange, state: ChainState) -> None:
        if isinstance(record, ParamsChange):
            check_params(self._rules, state, record)
            return
        if len(state.accounts) >= ACCOUNTS_MAX:
            raise ProtocolError(Reason.NOT_ADMITTED, "account table is full")
        check_register(self._rules, state, record)

    def settle(self, state: ChainState) -> list[tuple[UpdateHead, Reason]]:
        """Drop what can go into no block on top of `state` any more; returns the updates dropped and why."""
        dropped = []
        self.changes_count += 1
        for root, head in list(self._updates.items()):
            reason = self._fault(head, state)
            if reason in FINAL_REASONS:
                dropped.append((head, reason))
                del self._updates[root]
                self._places.pop((head.account, head.round), None)
        for key, waiting in list(self._records.items()):
            try:
                self._check(waiting.record, state)
            except ProtocolError:
                del self._records[key]
        return dropped

    def _fault(self, head: UpdateHead, state: ChainState) -> Reason | None:
        try:
            check_update(self._rules, state, head)
        except ProtocolError as error:
            return error.reason
        return None

    def choose(self, state: ChainState, time_s: int) -> list[Record]:
        """The records of the best block on `state` at chain time `time_s`; empty when none is possible."""
        return [*self.choose_updates(state, time_s), *self._choose_records(state)]

    def choose_updates(self, state: ChainState, time_s: int) -> list[UpdateHead]:
        """Updates that close the round, earliest first, selected before others; none if it stays open."""
        params = state.params.in_force
        past_deadline = time_s >= state.learning.opened_at_s + params.round_s
        selected: list[UpdateHead] = []
        others: list[UpdateHead] = []
        accounts = set[int]()
        for head in self._updates.values():
            is_selected = self._is_selected(head, state)
            if is_selected is not None and head.account not in accounts:
                accounts.add(head.account)
                (selected if is_selected else others).append(head)
        chosen = selected + others if past_deadline else selected
        enough = len(chosen) >= (params.min_updates if past_deadline else params.k)
        return chosen[: params.k_max] if enough else []

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

    def _choose_records(self, state: ChainState) -> list[Record]:
        chosen: list[Record] = []
        keys, vouchers, changes, registrations = set[bytes](), set[int](), 0, 0
        room = min(state.params.in_force.registrations_max, ACCOUNTS_MAX - len(state.accounts))
        for waiting in self._records.values():
            record = waiting.record
            try:
                self._check(record, state)
            except ProtocolError:
                continue
            if isinstance(record, ParamsChange):
                if not changes:
                    chosen.append(record)
                changes += 1
            elif record.public_key not in keys and record.voucher not in vouchers:
                if registrations == room:
                    continue
                registrations += 1
                keys.add(record.public_key)
                vouchers |= {record.voucher} - {0}
                chosen.append(record)
        return chosen

    def is_due(self, state: ChainState, time_s: int, now_ms: int) -> bool:
        """Whether a block should be made now, as far as this validator sees."""
        if self.choose_updates(state, time_s):
            return True
        wait_ms = state.params.in_force.records_wait_s * 1000
        oldest = min((waiting.since_ms for waiting in self._records.values()), default=None)
        return oldest is not None and now_ms - oldest >= wait_ms

    def next_due_ms(self, state: ChainState, t0_s: int, now_ms: int) -> int | None:
        """When time alone may make a block due: the round's deadline, or a record that has waited enough."""
        params = state.params.in_force
        times = [waiting.since_ms + params.records_wait_s * 1000 for waiting in self._records.values()]
        if self._updates:
            times.append((t0_s + state.learning.opened_at_s + params.round_s) * 1000)
        return min((at for at in times if at > now_ms), default=None)


def _record_key(record: Register | ParamsChange) -> bytes:
    """One record for each key that registers and for each set of rules: who signs again makes other bytes,
    and must not fill the pool with them. Keys and rules differ in length."""
    return record.public_key if isinstance(record, Register) else record.params.encode()
