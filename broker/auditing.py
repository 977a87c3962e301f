"""Auditing a validator's folder from outside, for `edge-broker audit`; also beside a running one."""

from __future__ import annotations

from dataclasses import dataclass

from broker.adapters.block_store import BlockStore
from broker.adapters.validator_database import DATABASE_FILE
from broker.config import ValidatorConfig
from broker.core.auditor import Audited, Auditor, Fraud, Start, Unreadable, genesis_start
from broker.founding import ChainFiles
from broker.service import open_store
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.execution.checks import Rules
from edge_client.protocol.fraud import FRAUD_BYTES_MAX
from edge_client.protocol.fraud_checks import NotProven, Proven, check_fraud
from edge_client.protocol.keys import verify
from edge_client.protocol.proof_checks import Anchor
from edge_client.protocol.state import ChainState
from edge_client.protocol.state_object import decode_state


class CannotAuditError(Exception):
    """These blocks cannot be executed from this folder; the text is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Convicted:
    """A block is wrong: what the proof file proves, and its bytes."""

    verdict: Proven
    data: bytes


def audit_folder(config: ValidatorConfig, first: int | None, last: int | None) -> Audited | Convicted:
    """Execute blocks `first` to `last` again; without, all that can be. Raises `CannotAuditError`, and what
    reading the folder raises."""
    files = ChainFiles.read(config.validator.chain_dir)
    if not (config.validator.state_dir / DATABASE_FILE).exists():
        raise CannotAuditError("this validator has no final block yet")
    store = open_store(config.validator.state_dir, files)
    try:
        return _audit(store, Rules(files.genesis, files.chain_id, verify), first, last)
    finally:
        store.close()


def _audit(store: BlockStore, rules: Rules, first: int | None, last: int | None) -> Audited | Convicted:
    head = store.load().head
    if head is None:
        raise CannotAuditError("this validator has no final block yet")
    last = head.header.height if last is None else last
    if last > head.header.height:
        raise CannotAuditError(f"block {last} is not final here; the head has height {head.header.height}")
    start = _start(store, rules, last if first is None else first, lowest=first is None)
    kept = {one.height: one.app for one in store.retention.checkpoints()}
    kept[head.header.height] = head.state.app_leaves()
    first = start.height + 1 if first is None else first
    outcome = Auditor(rules, store, kept.get).audit(start, first, last)
    if isinstance(outcome, Unreadable):
        raise CannotAuditError(f"block {outcome.height} cannot be executed again: {outcome.detail}")
    return _proven(outcome, rules) if isinstance(outcome, Fraud) else outcome


def _start(store: BlockStore, rules: Rules, first: int, *, lowest: bool) -> Start:
    """The nearest state below block `first`; or the lowest there is, to audit as much as possible."""
    kept = store.retention
    starts = [] if kept.pruned_to or kept.lacking_count() else [0]
    starts += [one.height for one in kept.checkpoints()]
    usable = [height for height in starts if height < first]
    if not usable:
        raise CannotAuditError(_no_start(first, starts))
    height = min(usable) if lowest else max(usable)
    return Start(height, _state(store, height)) if height else genesis_start(rules)


def _no_start(first: int, starts: list[int]) -> str:
    if not starts:
        return "no state to start from is kept here yet; a validator keeps one every half body window"
    return (
        f"the bodies of block {first} are pruned, or no state below it is kept; say --from {min(starts) + 1}"
    )


def _state(store: BlockStore, height: int) -> ChainState:
    """The state kept at a checkpoint; the auditor compares it with its header."""
    leaves = next((one.app for one in store.retention.checkpoints() if one.height == height), None)
    data = None if leaves is None else store.retention.state(leaves.state_root)
    if data is None:
        raise CannotAuditError(f"the state of height {height} went while it was looked for; try again")
    try:
        return decode_state(data)
    except DecodeError as error:
        raise CannotAuditError(f"the state kept at height {height} is damaged: {error.detail}") from error


def _proven(fraud: Fraud, rules: Rules) -> Convicted:
    """The proof as others will judge it."""
    height, data = fraud.proof.header.height, fraud.proof.encode()
    if len(data) > FRAUD_BYTES_MAX:
        raise CannotAuditError(f"block {height} is wrong, but its proof of {len(data)} bytes is too large")
    verdict = check_fraud(fraud.proof, Anchor(rules.chain_id), rules.verify)
    if isinstance(verdict, NotProven):
        reason = f"{verdict.why.value}, {verdict.detail}"
        raise CannotAuditError(f"block {height} is wrong, but what is stored does not prove it: {reason}")
    return Convicted(verdict, data)
