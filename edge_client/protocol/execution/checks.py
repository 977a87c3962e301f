"""May this record stand in a block on top of this state? One function per kind, used before a record is
accepted for a block, when a block is proposed and when it is executed."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.execution.selection import is_selected
from edge_client.protocol.genesis import Admission, Genesis, check_churn
from edge_client.protocol.keys import Purpose, Verify, signing_bytes
from edge_client.protocol.params import RoundParams
from edge_client.protocol.records import ParamsChange, Register
from edge_client.protocol.state import ChainState
from edge_client.protocol.update import UpdateHead


@dataclass(frozen=True, slots=True)
class Rules:
    """What never changes on a chain and every check needs: genesis, chain id and the signature check."""

    genesis: Genesis
    chain_id: bytes
    verify: Verify


def steps_asked(params: RoundParams, samples: int) -> int:
    """Steps of a full participation with this much data: epochs x batches, the short last batch counted."""
    return params.local_epochs * -(-samples // params.batch)


def check_update(rules: Rules, state: ChainState, head: UpdateHead) -> bool:
    """Raise `ProtocolError` unless the head may count in the open round [UPD-2]; returns whether its account
    was selected for the round it was made in (others count only after the deadline)."""
    account = state.accounts.get(head.account)
    if account is None:
        raise ProtocolError(Reason.UNREGISTERED, f"account {head.account}")
    if account.is_jailed(state.learning.round):
        raise ProtocolError(Reason.JAILED, f"account {head.account} until round {account.jailed_until}")
    if head.round > state.learning.round:
        raise ProtocolError(Reason.UNKNOWN_BASE, f"round {head.round} is not open yet")
    base = state.base_of(head.round)
    if base is None:
        raise ProtocolError(Reason.STALE, f"round {head.round}, now {state.learning.round}")
    if (base.height, base.model_root) != (head.base_height, head.base_model):
        raise ProtocolError(Reason.UNKNOWN_BASE, f"no such model in round {head.round}")
    if head.round <= account.last_round:
        raise ProtocolError(Reason.REPLAY, f"round {head.round}, counted up to {account.last_round}")
    manifest = rules.genesis.manifest
    if head.size != len(manifest.sizes) + sum(manifest.sizes):
        raise ProtocolError(Reason.WRONG_SHAPE, f"update body of {head.size} bytes")
    params = state.params.in_force
    if head.steps * 100 < params.partial_min_pct * steps_asked(params, head.samples):
        raise ProtocolError(Reason.OUT_OF_RANGE, f"only {head.steps} steps")
    head.verify(rules.chain_id, account.public_key, rules.verify)
    return is_selected(base.seed, account.public_key, base.theta)


def check_register(rules: Rules, state: ChainState, record: Register) -> None:
    """Raise `ProtocolError` unless the key is new, usable and admitted [REG-1]."""
    if state.accounts.index_of(record.public_key) is not None:
        raise ProtocolError(Reason.DUPLICATE, "key has an account")
    record.verify(rules.chain_id, rules.verify)
    genesis = rules.genesis
    if genesis.admission == Admission.LIST and record.public_key not in genesis.admitted:
        raise ProtocolError(Reason.NOT_ADMITTED, "key is not on the list of genesis")
    if genesis.admission == Admission.TOKEN:
        _check_voucher(rules, state, record)
    elif record != Register(record.public_key, signature=record.signature):
        raise ProtocolError(Reason.OUT_OF_RANGE, "voucher where none is asked for")  # [REG-3]


def _check_voucher(rules: Rules, state: ChainState, record: Register) -> None:
    if not record.voucher or state.accounts.has_voucher(record.voucher):
        raise ProtocolError(Reason.NOT_ADMITTED, f"voucher {record.voucher} is missing or used")
    owners = rules.genesis.owners
    if record.owner >= len(owners):
        raise ProtocolError(Reason.NOT_ADMITTED, f"owner {record.owner} of {len(owners)}")
    granted = voucher_grant(rules.chain_id, record.voucher, record.voucher_key)
    claimed = voucher_claim(rules.chain_id, record.public_key)
    if not rules.verify(owners[record.owner], granted, record.owner_signature):
        raise ProtocolError(Reason.NOT_ADMITTED, "voucher is not signed by its owner")
    if not rules.verify(record.voucher_key, claimed, record.voucher_signature):
        raise ProtocolError(Reason.NOT_ADMITTED, "voucher is not signed over to this key")


def voucher_grant(chain_id: bytes, voucher: int, voucher_key: bytes) -> bytes:
    """What an owner signs to make a voucher [REG-4]."""
    return signing_bytes(Purpose.VOUCHER, chain_id, voucher.to_bytes(4, "big") + voucher_key)


def voucher_claim(chain_id: bytes, public_key: bytes) -> bytes:
    """What the voucher's key signs to hand it to a device."""
    return signing_bytes(Purpose.VOUCHER, chain_id, public_key)


def check_params(rules: Rules, state: ChainState, change: ParamsChange) -> None:
    """Raise `ProtocolError` unless the owners signed the change that comes next [PAR-2] [PAR-3]."""
    expected = state.params.next.sequence + 1
    if change.params.sequence != expected:
        raise ProtocolError(Reason.REPLAY, f"params {change.params.sequence}, next is {expected}")
    if change.params.batch != rules.genesis.manifest.batch:
        raise ProtocolError(Reason.OUT_OF_RANGE, f"batch {change.params.batch} is not the graph's")
    check_churn(change.params, rules.genesis.validators)
    change.verify(rules.chain_id, rules.genesis.owners, rules.genesis.owner_threshold, rules.verify)
