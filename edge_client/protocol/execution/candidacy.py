"""Standing for a seat: opt-ins, opt-outs, convictions, and bonds that come free. One function judges each
kind of record, before it is taken for a block and when it is executed; the last one applies them all."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

from edge_client.protocol.accounts import Account
from edge_client.protocol.body import EVIDENCE_PER_BLOCK_MAX, WISHES_PER_BLOCK_MAX
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.evidence import ProposalPair, VotePair
from edge_client.protocol.execution.checks import Rules
from edge_client.protocol.records import OptIn, OptOut, Record
from edge_client.protocol.seats import CANDIDATES_MAX, Candidate
from edge_client.protocol.state import ChainState
from edge_client.protocol.validators import ValidatorSet

WISH_BLOCKS_MAX = 64
"""Blocks for which a signed wish may still be carried out: less than a bond stays locked, so that none can be
played again [ELE-2]."""


def check_opt_in(rules: Rules, state: ChainState, record: OptIn, height: int) -> None:
    """Raise `ProtocolError` unless the block of `height` on this state may hold it [ELE-1]."""
    account = state.accounts.get(record.account)
    params = state.params.in_force
    if account is None:
        raise ProtocolError(Reason.UNREGISTERED, f"account {record.account}")
    if not params.epoch_blocks:
        raise ProtocolError(Reason.NOT_ADMITTED, "there are no elections on this chain")
    if account.is_jailed(state.learning.round):
        raise ProtocolError(Reason.JAILED, f"account {record.account} until round {account.jailed_until}")
    if state.seats.candidate_of(record.account) is not None:
        raise ProtocolError(Reason.DUPLICATE, f"account {record.account} is a candidate")
    if is_taken(rules, state, record.key):
        raise ProtocolError(Reason.DUPLICATE, "the validator key is in use")
    if len(state.seats.candidates) >= CANDIDATES_MAX:
        raise ProtocolError(Reason.NOT_ADMITTED, "the table of candidates is full")
    _check_age(record.made_at, height)
    if not params.bond <= record.bond <= account.balance:
        detail = f"bond {record.bond}: at least {params.bond}, at most the balance {account.balance}"
        raise ProtocolError(Reason.OUT_OF_RANGE, detail)
    record.verify(rules.chain_id, account.public_key, rules.verify)


def is_taken(rules: Rules, state: ChainState, key: bytes) -> bool:
    """Whether the key is that of a genesis validator, candidate, seat or account."""
    return (
        rules.genesis.validators.index_of(key) is not None
        or state.seats.candidate_with(key) is not None
        or state.seats.holds_seat(key)
        or state.accounts.index_of(key) is not None
    )


def check_opt_out(rules: Rules, state: ChainState, record: OptOut, height: int) -> None:
    """Raise `ProtocolError` unless the block of `height` on this state may hold it."""
    row = state.seats.candidate_of(record.account)
    if row is None:
        raise ProtocolError(Reason.UNREGISTERED, f"account {record.account} is no candidate")
    if row.is_leaving:
        raise ProtocolError(Reason.DUPLICATE, f"account {record.account} is leaving already")
    _check_age(record.made_at, height)
    record.verify(rules.chain_id, state.accounts[record.account].public_key, rules.verify)


def _check_age(made_at: int, height: int) -> None:
    if made_at >= height:
        raise ProtocolError(Reason.TIME, f"made at height {made_at}, for a block of height {height}")
    if made_at + WISH_BLOCKS_MAX < height:
        raise ProtocolError(Reason.STALE, f"made at height {made_at}, for a block of height {height}")


def check_evidence(rules: Rules, state: ChainState, record: VotePair | ProposalPair) -> None:
    """Raise `ProtocolError` unless there is somebody to convict and the pair convicts it. A convicted key
    costs no signature check any more [EVI-3]."""
    if not is_convictable(rules, state, record.key):
        raise ProtocolError(Reason.DUPLICATE, "nobody to convict under this key")
    record.verify(rules.chain_id, rules.verify)


def is_convictable(rules: Rules, state: ChainState, key: bytes) -> bool:
    """Whether a candidate or a validator of genesis signs with this key and was not convicted yet."""
    index = rules.genesis.validators.index_of(key)
    if index is not None:
        return not state.seats.convicted >> index & 1
    return state.seats.candidate_with(key) is not None


def with_candidacies(
    rules: Rules, before: ChainState, after: ChainState, records: Sequence[Record], height: int
) -> ChainState:
    """`after` with every opt-in, opt-out and evidence among `records` carried out, each judged on `before`,
    and with the bonds that came free; raises `ProtocolError`."""
    opt_ins = [one for one in records if isinstance(one, OptIn)]
    opt_outs = [one for one in records if isinstance(one, OptOut)]
    evidence = [one for one in records if isinstance(one, VotePair | ProposalPair)]
    if len(opt_ins) + len(opt_outs) > WISHES_PER_BLOCK_MAX or len(evidence) > EVIDENCE_PER_BLOCK_MAX:
        raise ProtocolError(Reason.INVALID_BLOCK, "too many wishes or too much evidence")
    if len(before.seats.candidates) + len(opt_ins) > CANDIDATES_MAX:
        raise ProtocolError(Reason.INVALID_BLOCK, "table of candidates is full")
    _refuse_twice([*(one.account for one in opt_ins), *(one.account for one in opt_outs)])
    _refuse_twice([*(one.key for one in opt_ins), *(one.key for one in evidence)])
    work = _Work(after)
    for opt_in in opt_ins:
        check_opt_in(rules, before, opt_in, height)
        work.opt_in(opt_in)
    for opt_out in opt_outs:
        check_opt_out(rules, before, opt_out, height)
        work.opt_out(opt_out, height)
    for pair in evidence:
        check_evidence(rules, before, pair)
        work.convict(pair.key, rules.genesis.validators)
    work.release(before.params.in_force.unbonding_blocks, height)
    return work.done()


def _refuse_twice(names: Sequence[Hashable]) -> None:
    if len(set(names)) != len(names):
        raise ProtocolError(Reason.DUPLICATE, "an account or a key stands for two things in one block")


class _Work:
    """Changes of rows and accounts, put into the state at once: each new account table is a copy."""

    def __init__(self, state: ChainState) -> None:
        self._state = state
        self._seats = state.seats
        self._changed: dict[int, Account] = {}

    def _account(self, index: int) -> Account:
        return self._changed.get(index) or self._state.accounts[index]

    def opt_in(self, record: OptIn) -> None:
        """The bond moves to the stake, the account gets its row."""
        self._changed[record.account] = self._account(record.account).bonded(record.bond)
        self._seats = self._seats.with_candidate(Candidate(record.account, record.key, record.bond))

    def opt_out(self, record: OptOut, height: int) -> None:
        """The row is marked; the seat goes with the next election."""
        rows = self._seats.candidates
        marked = (replace(row, leaving=height) if row.account == record.account else row for row in rows)
        self._seats = replace(self._seats, candidates=tuple(marked))

    def convict(self, key: bytes, genesis_validators: ValidatorSet) -> None:
        """A candidate loses bond, row and contribution; a validator of genesis gets its bit."""
        row = self._seats.candidate_with(key)
        if row is not None:
            self._changed[row.account] = self._account(row.account).convicted(row.bond)
            self._seats = self._seats.without_candidate(row.account)
            return
        bit = 1 << genesis_validators.keys.index(key)
        self._seats = replace(self._seats, convicted=self._seats.convicted | bit)

    def release(self, unbonding_blocks: int, height: int) -> None:
        """Bonds of those who left go back to their balances, never while their key still signs [ELE-6]."""
        for row in self._seats.candidates:
            is_over = row.is_leaving and row.leaving + unbonding_blocks <= height
            if is_over and not self._seats.holds_seat(row.key):
                self._changed[row.account] = self._account(row.account).bonded(-row.bond)
                self._seats = self._seats.without_candidate(row.account)

    def done(self) -> ChainState:
        """The state after all of it."""
        accounts = self._state.accounts
        if self._changed:
            accounts = accounts.changed(self._changed, [])
        return replace(self._state, accounts=accounts, seats=self._seats)
