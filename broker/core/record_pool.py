"""Records that wait for a block beside updates: registrations, changes of params, wishes, evidence."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import islice

from broker.core.ledger import Tip
from edge_client.protocol.accounts import ACCOUNTS_MAX
from edge_client.protocol.body import EVIDENCE_PER_BLOCK_MAX, WISHES_PER_BLOCK_MAX
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.evidence import ProposalPair, VotePair
from edge_client.protocol.execution.candidacy import check_evidence, check_opt_in, check_opt_out
from edge_client.protocol.execution.checks import Rules, check_params, check_register
from edge_client.protocol.params import RoundParams
from edge_client.protocol.records import OptIn, OptOut, ParamsChange, Record, Register, Submitted, tag_of
from edge_client.protocol.seats import CANDIDATES_MAX
from edge_client.protocol.state import ChainState

RECORDS_MAX = 4096
"""Evidence comes on top: there is one for each key that can be convicted, so nobody can fill it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pending record and when it came."""

    record: Submitted
    since_ms: int

    @property
    def is_urgent(self) -> bool:
        """Evidence does not wait."""
        return isinstance(self.record, VotePair | ProposalPair)

    def due_ms(self, params: RoundParams) -> int:
        """When it makes a block due: evidence at once, the rest when it has waited."""
        return self.since_ms if self.is_urgent else self.since_ms + params.records_wait_s * 1000


class RecordPool:
    """A bounded set in order of arrival; all of it is judged again by the block it goes on."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._waiting: dict[Hashable, Waiting] = {}
        self._urgent: dict[Hashable, Waiting] = {}
        """Those of them that do not wait."""

    def add(self, record: Submitted, tip: Tip, now_ms: int) -> bool:
        """Take a record fit for the next block; False if it waits already; raises `ProtocolError`."""
        name = _name_of(record)
        if name in self._waiting:
            return False
        if not isinstance(record, VotePair | ProposalPair) and len(self._waiting) >= RECORDS_MAX:
            raise ProtocolError(Reason.RATE, "record pool is full")
        self._check(record, _next_state(tip), tip.height + 1)
        waiting = self._waiting[name] = Waiting(record, now_ms)
        if waiting.is_urgent:
            self._urgent[name] = waiting
        return True

    def settle(self, tip: Tip) -> None:
        """Drop what can go into no block on top of `tip` any more."""
        state = _next_state(tip)
        for name, waiting in list(self._waiting.items()):
            if not self._is_fit(waiting.record, state, tip.height + 1):
                del self._waiting[name]
                self._urgent.pop(name, None)

    def choose(self, tip: Tip) -> list[Record]:
        """The records of a block on `tip`: earliest first, none that another excludes, as many as may be."""
        state = _next_state(tip)
        room, taken = _Room.of(state), set[Hashable]()
        chosen: list[Record] = []
        for waiting in self._waiting.values():
            record = waiting.record
            names = set(_exclusive_names(record))
            if names & taken or not self._is_fit(record, state, tip.height + 1) or not room.take(record):
                continue
            taken |= names
            chosen.append(record)
        return chosen

    def is_due(self, params: RoundParams, now_ms: int) -> bool:
        """Whether one has waited long enough."""
        return any(at_ms <= now_ms for at_ms in self.due_times(params))

    def due_times(self, params: RoundParams) -> list[int]:
        """When the first of each kind makes a block due; thousands may wait behind it, who came later."""
        waiting = (one for one in self._waiting.values() if not one.is_urgent)
        kinds = (waiting, iter(self._urgent.values()))
        return [one.due_ms(params) for kind in kinds for one in islice(kind, 1)]

    def _is_fit(self, record: Submitted, state: ChainState, height: int) -> bool:
        try:
            self._check(record, state, height)
        except ProtocolError:
            return False
        return True

    def _check(self, record: Submitted, state: ChainState, height: int) -> None:
        match record:
            case Register():
                if len(state.accounts) >= ACCOUNTS_MAX:
                    raise ProtocolError(Reason.NOT_ADMITTED, "account table is full")
                check_register(self._rules, state, record)
            case ParamsChange():
                check_params(self._rules, state, record)
            case OptIn():
                check_opt_in(self._rules, state, record, height)
            case OptOut():
                check_opt_out(self._rules, state, record, height)
            case VotePair() | ProposalPair():
                check_evidence(self._rules, state, record)


@dataclass(slots=True)
class _Room:
    """How many more of a kind the block takes."""

    registrations: int
    opt_ins: int
    wishes: int = WISHES_PER_BLOCK_MAX
    evidence: int = EVIDENCE_PER_BLOCK_MAX

    @classmethod
    def of(cls, state: ChainState) -> _Room:
        registrations = min(state.params.in_force.registrations_max, ACCOUNTS_MAX - len(state.accounts))
        return cls(registrations, CANDIDATES_MAX - len(state.seats.candidates))

    def take(self, record: Submitted) -> bool:
        """Use a place; False when there is none."""
        match record:
            case Register():
                self.registrations -= 1
                return self.registrations >= 0
            case OptIn():
                self.wishes, self.opt_ins = self.wishes - 1, self.opt_ins - 1
                return self.wishes >= 0 and self.opt_ins >= 0
            case OptOut():
                self.wishes -= 1
                return self.wishes >= 0
            case VotePair() | ProposalPair():
                self.evidence -= 1
                return self.evidence >= 0
            case ParamsChange():
                return True


def _next_state(tip: Tip) -> ChainState:
    return tip.state.rolled(tip.height + 1)


def _name_of(record: Submitted) -> Hashable:
    """One record for each key that registers, each account that wishes, each set of rules, each key accused:
    who signs again makes other bytes, and must not fill the pool with them."""
    tag = tag_of(record)
    match record:
        case Register():
            return tag, record.public_key
        case ParamsChange():
            return tag, record.params.encode()
        case OptIn() | OptOut():
            return tag, record.account
        case VotePair() | ProposalPair():
            return "accused", record.key


def _exclusive_names(record: Submitted) -> Iterator[Hashable]:
    """What only one record of a block may be about."""
    match record:
        case Register():
            yield "registering", record.public_key
            if record.voucher:
                yield "voucher", record.voucher
        case ParamsChange():
            yield "params"
        case OptIn():
            yield "account", record.account
            yield "validator", record.key
        case OptOut():
            yield "account", record.account
        case VotePair() | ProposalPair():
            yield "validator", record.key
