"""Re-execution: state and model after a block as a pure function of the state before and the body [EXE]."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

from edge_client.protocol.accounts import ACCOUNTS_MAX, Account
from edge_client.protocol.body import Body
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.execution import arithmetic
from edge_client.protocol.execution.candidacy import with_candidacies
from edge_client.protocol.execution.checks import (
    Rules,
    check_params,
    check_register,
    check_update,
    steps_asked,
)
from edge_client.protocol.execution.election import elect, holds_election, with_seats
from edge_client.protocol.execution.mint import shares
from edge_client.protocol.execution.selection import threshold
from edge_client.protocol.model import decode_model, encode_model, model_root
from edge_client.protocol.params import ParamsPair
from edge_client.protocol.records import ParamsChange, Register
from edge_client.protocol.state import Base, ChainState, bases_root
from edge_client.protocol.update import UpdateBody, UpdateHead, update_root_of


class Bodies(Protocol):
    """Content-addressed lookup of the large objects a block names."""

    def update(self, root: bytes) -> bytes | None:
        """The update body with this root, or None."""
        ...

    def model(self, root: bytes) -> bytes | None:
        """The model bytes with this root, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Slot:
    """What a block is executed with beside its body: its header's height, time and history root."""

    height: int
    time_s: int
    history_root: bytes


@dataclass(frozen=True, slots=True)
class Credit:
    """What one account got for its update: the weight it had and the units minted for it."""

    account: int
    weight: int
    reward: int


@dataclass(frozen=True, slots=True)
class _Aggregate:
    """The new model and the weight that each update had in it, in the order of the updates."""

    model: bytes
    weights: list[int]
    saturated_count: int


@dataclass(frozen=True, slots=True)
class Executed:
    """Outcome of a block. `model` is None when the block did not close the round."""

    state: ChainState
    model: bytes | None
    credits: tuple[Credit, ...]
    saturated_count: int


def execute(rules: Rules, state: ChainState, slot: Slot, body: Body, bodies: Bodies) -> Executed:
    """Apply a block; raises `ProtocolError` when any record, or the block as a whole, is not allowed.

    The records are judged against the state before the block; updates close the round, and changes of params
    come into force with the next round. A sealed state is rolled first; an election comes last.
    """
    state = state.rolled(slot.height)
    after_records = _apply_records(rules, state, body)
    after_records = with_candidacies(rules, state, after_records, body.records, slot.height)
    executed = Executed(after_records, None, (), 0)
    if body.updates:
        check_close(rules, state, slot, body.updates)
        aggregate = _aggregate(rules, state, body.updates, bodies)
        executed = _close_round(state, after_records, slot, body.updates, aggregate)
    return replace(executed, state=_hold_election(rules, state, executed.state, slot))


def _hold_election(rules: Rules, before: ChainState, after: ChainState, slot: Slot) -> ChainState:
    """The last thing that a block does, by the params in force when it began."""
    params = before.params.in_force
    if not holds_election(before, params, slot.height):
        return after
    elected = elect(rules.genesis, after, params, slot.history_root)
    return with_seats(after, elected, slot.height)


def _apply_records(rules: Rules, state: ChainState, body: Body) -> ChainState:
    registrations = [record for record in body.records if isinstance(record, Register)]
    changes = [record for record in body.records if isinstance(record, ParamsChange)]
    if len(registrations) > state.params.in_force.registrations_max or len(changes) > 1:
        raise ProtocolError(Reason.INVALID_BLOCK, "too many registrations or changes of params")
    if len(state.accounts) + len(registrations) > ACCOUNTS_MAX:
        raise ProtocolError(Reason.INVALID_BLOCK, "account table is full")
    for record in registrations:
        check_register(rules, state, record)
    keys = {record.public_key for record in registrations}
    vouchers = {record.voucher for record in registrations if record.voucher}
    if len(keys) != len(registrations) or len(vouchers) not in (0, len(registrations)):
        raise ProtocolError(Reason.DUPLICATE, "a key or voucher registers twice in one block")
    added = [
        Account(record.public_key, last_round=state.learning.round - 1, voucher=record.voucher)
        for record in registrations
    ]
    params = state.params
    for change in changes:
        check_params(rules, state, change)
        params = ParamsPair(params.in_force, change.params)
    return replace(state, accounts=state.accounts.changed({}, added), params=params)


def check_close(rules: Rules, state: ChainState, slot: Slot, updates: tuple[UpdateHead, ...]) -> None:
    """Raise `ProtocolError` unless these updates close the round now [RND-3]; needs no bodies."""
    params = state.params.in_force
    if not params.min_updates <= len(updates) <= params.k_max:
        raise ProtocolError(Reason.INVALID_BLOCK, f"{len(updates)} updates")
    if any(a.account == b.account for a, b in pairwise(updates)):
        raise ProtocolError(Reason.DUPLICATE, "two updates of one account")
    selected = [check_update(rules, state, head) for head in updates]
    if slot.time_s >= state.learning.opened_at_s + params.round_s:
        return
    if not all(selected):
        raise ProtocolError(Reason.UNSELECTED, "unselected update before the deadline")
    if len(updates) < params.k or params.keeps_pace:
        raise ProtocolError(Reason.INVALID_BLOCK, f"{len(updates)} updates before the deadline")


def _close_round(
    before: ChainState, after: ChainState, slot: Slot, updates: tuple[UpdateHead, ...], aggregate: _Aggregate
) -> Executed:
    rewards = shares(before.params.in_force.mint, aggregate.weights)
    earned = tuple(
        Credit(head.account, weight, reward)
        for head, weight, reward in zip(updates, aggregate.weights, rewards, strict=True)
    )
    changes = {
        credit.account: after.accounts[credit.account].credited(head.round, credit.weight, credit.reward)
        for head, credit in zip(updates, earned, strict=True)
    }
    accounts = after.accounts.changed(changes, [])
    root = model_root(aggregate.model)
    state = _open_next(replace(after, accounts=accounts), slot, root, len(updates))
    return Executed(state, aggregate.model, earned, aggregate.saturated_count)


def _aggregate(
    rules: Rules, state: ChainState, updates: tuple[UpdateHead, ...], bodies: Bodies
) -> _Aggregate:
    params, manifest = state.params.in_force, rules.genesis.manifest
    raw = []
    for head in updates:
        asked = steps_asked(params, head.samples)
        earned = arithmetic.credit(head.samples, params.sample_cap, head.steps, asked)
        raw.append(arithmetic.raw_weight(arithmetic.SCORE_FULL, earned, state.learning.round - head.round))
    total = arithmetic.Sum(manifest.sizes)
    used = []
    for head, weight in zip(updates, arithmetic.normalised_weights(raw), strict=True):
        body = _body_of(state, head, bodies)
        used.append(total.add(UpdateBody.decode(body, manifest.sizes), weight, params.clip_norm_q20))
    base = decode_model(_need(bodies.model(state.model_root), state.model_root), manifest.parameter_count)
    vector, saturated = total.apply_to(base, manifest.frac_bits)
    return _Aggregate(encode_model(vector), used, saturated)


def _body_of(state: ChainState, head: UpdateHead, bodies: Bodies) -> bytes:
    """The body of an update, hashed with the key of the account that hands it in: a head that names the body
    of somebody else is refused here even when that body is at hand [UPD-6]."""
    body = _need(bodies.update(head.update_root), head.update_root)
    if update_root_of(state.accounts[head.account].public_key, head.round, body) != head.update_root:
        raise ProtocolError(Reason.WRONG_HASH, f"update root of account {head.account} is not its own")
    return body


def _open_next(state: ChainState, slot: Slot, model: bytes, update_count: int) -> ChainState:
    round_number, params = state.learning.round + 1, state.params.next
    theta = threshold(params, state.accounts, round_number, slot.history_root)
    base = Base(round_number, slot.height, theta, slot.history_root, model)
    bases = (*state.bases, base)[-(params.staleness_max + 1) :]
    learning = replace(
        state.learning,
        round=round_number,
        opened_height=slot.height,
        opened_at_s=slot.time_s,
        updates=update_count,
        theta=theta,
        seed=slot.history_root,
        bases_root=bases_root(bases),
    )
    return replace(state, params=ParamsPair(params, params), learning=learning, bases=bases)


def _need(data: bytes | None, root: bytes) -> bytes:
    """A missing object is our own bug: blocks are executed only when everything they name is on disk."""
    if data is None:
        raise RuntimeError(f"object {root.hex()[:16]} is not stored")
    return data
