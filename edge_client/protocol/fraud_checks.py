"""Whether a fraud proof convicts a block: first that the chain holds it and that every object is the one the
chain names, then execution. An object that is missing, or another than the named one, convicts nobody.

The block's header is signed; everything else hangs under it by hashes: body and parent header, under the
parent the state, under the state its model, under body and state the update bodies. So one wrong byte
anywhere ends in `NotProven`, and a right block cannot be made to look wrong [FRD-4].
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from edge_client.protocol.body import Body
from edge_client.protocol.errors import DecodeError, ProtocolError
from edge_client.protocol.execution.checks import Rules
from edge_client.protocol.execution.execute import Slot, execute
from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.execution.succession import Parent, check_succession
from edge_client.protocol.fraud import Before, FraudProof
from edge_client.protocol.handoff import HandoffCase, TrustedSet, verify_handoff
from edge_client.protocol.header import AppLeaves, Header
from edge_client.protocol.keys import Verify
from edge_client.protocol.mmr import Peaks
from edge_client.protocol.model import model_root
from edge_client.protocol.proof_checks import Anchor
from edge_client.protocol.state import ChainState
from edge_client.protocol.state_object import decode_state
from edge_client.protocol.update import update_root_of
from edge_client.protocol.validators import ValidatorSet, signer_indices


class Wrong(str, Enum):
    """What of a block is wrong."""

    MODEL = "model"
    STATE = "state"
    VALIDATORS = "validators"
    NEXT_VALIDATORS = "next validators"
    UNTOLD = "model or state"
    RULES = "not allowed"


class Why(str, Enum):
    """Why a file proves nothing."""

    RIGHT = "the block is right"
    WRONG_CHAIN = "another chain"
    CONTRADICTED = "contradicts the checkpoint"
    NOT_LINKED = "not linked"
    SET_NOT_REACHED = "validators not reached"
    NOT_SIGNED = "not signed"
    MISSING = "object missing"
    NOT_NAMED = "not the named object"
    BREAKS_OFF = "execution breaks off"


@dataclass(frozen=True, slots=True)
class Proven:
    """The block of `height` is on the chain and is not what execution gives.

    `wrong` says which leaves, or `Wrong.RULES` with the reason in `detail`. Validators `signers`, with these
    `keys`, made the header of `final_height` final: the block itself, or a later one.
    """

    chain_id: bytes
    height: int
    wrong: tuple[Wrong, ...]
    detail: str
    final_height: int
    signers: tuple[int, ...]
    keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class NotProven:
    """Nothing is proven."""

    why: Why
    detail: str = ""


Verdict = Proven | NotProven


def check_fraud(proof: FraudProof, anchor: Anchor, verify: Verify) -> Verdict:
    """Judge a fraud proof against what its reader trusts."""
    chain_id = proof.genesis.chain_id()
    try:
        _check_place(proof, anchor, chain_id)
        signed = _check_signed(proof, chain_id, verify)
        parent = _parent(proof, chain_id)
        material = _material(proof, parent)
        _check_claimed(proof)
        wrong, detail = _execute_again(Rules(proof.genesis, chain_id, verify), parent, proof, material)
    except _UnprovenError as fault:
        return NotProven(fault.why, fault.detail)
    signers = tuple(signer_indices(proof.place.finality.quorum.signers))
    keys = tuple(signed.keys[index] for index in signers)
    return Proven(chain_id, proof.header.height, wrong, detail, _final_header(proof).height, signers, keys)


class _UnprovenError(Exception):
    """Ends a check: the rest does not matter any more."""

    def __init__(self, why: Why, detail: str = "") -> None:
        super().__init__(why.value)
        self.why = why
        self.detail = detail


# --- the block is a part of the chain --------------------------------------------------------------------


def _check_place(proof: FraudProof, anchor: Anchor, chain_id: bytes) -> None:
    """Block and parent stand where the final header says [FRD-2]."""
    if anchor.chain_id not in (None, chain_id):
        raise _UnprovenError(Why.WRONG_CHAIN, chain_id.hex())
    header, peaks, before = proof.header, proof.place.peaks, proof.before
    above = proof.place.above
    if above is not None and (
        above.block.header != header
        or above.peaks.size != above.header.height
        or above.block.root_for(chain_id, above.peaks) != above.header.history_root
    ):
        raise _UnprovenError(Why.NOT_LINKED, f"block under the final header of height {above.header.height}")
    parent_height = before.header.height if before else 0
    if peaks.size != parent_height or _parent_peaks(proof, chain_id).root() != header.history_root:
        raise _UnprovenError(Why.NOT_LINKED, "parent under the block")
    if parent_height + 1 != header.height:
        raise _UnprovenError(Why.NOT_LINKED, f"height {header.height} after {parent_height}")
    _check_anchor(proof, anchor, chain_id)


def _parent_peaks(proof: FraudProof, chain_id: bytes) -> Peaks:
    """The range up to the parent; the leaf of genesis is the chain id."""
    leaf = chain_id if proof.before is None else proof.before.header.hash(chain_id)
    return proof.place.peaks.append(leaf)


def _check_anchor(proof: FraudProof, anchor: Anchor, chain_id: bytes) -> None:
    checkpoint = anchor.checkpoint
    if checkpoint is None:
        return
    shown = [proof.header, _final_header(proof), *([proof.before.header] if proof.before else [])]
    found = next((one for one in shown if one.height == checkpoint.height), None)
    if found is None:
        raise _UnprovenError(Why.NOT_LINKED, f"no header of height {checkpoint.height}")
    if found.hash(chain_id) != checkpoint.header_hash:
        why = Why.WRONG_CHAIN if anchor.chain_id is None else Why.CONTRADICTED
        raise _UnprovenError(why, f"another header of height {checkpoint.height}")


def _check_signed(proof: FraudProof, chain_id: bytes, verify: Verify) -> ValidatorSet:
    """The set that made the header final; the handoffs lead there from genesis [FRD-3]."""
    trusted, final = TrustedSet(0, proof.genesis.validators), _final_header(proof)
    try:
        for hop in proof.place.hops:
            trusted = verify_handoff(HandoffCase(chain_id, verify, trusted, hop))
    except ProtocolError as error:
        raise _UnprovenError(Why.SET_NOT_REACHED, str(error)) from None
    if trusted.epoch != final.epoch:
        raise _UnprovenError(Why.SET_NOT_REACHED, f"epoch {final.epoch}, handoffs lead to {trusted.epoch}")
    try:
        proof.place.finality.verify(final, chain_id, trusted.validators, verify)
    except ProtocolError as error:
        raise _UnprovenError(Why.NOT_SIGNED, str(error)) from None
    return trusted.validators


def _final_header(proof: FraudProof) -> Header:
    above = proof.place.above
    return proof.header if above is None else above.header


# --- every object is the one that the chain names --------------------------------------------------------


def _parent(proof: FraudProof, chain_id: bytes) -> Parent:
    """What the block stands on, with its state."""
    root = _parent_peaks(proof, chain_id).root()
    if proof.before is None:
        return Parent(0, 0, 0, root, genesis_state(proof.genesis))
    header = proof.before.header
    return Parent(header.height, header.slot, header.time_s, root, _state(proof.before))


def _state(before: Before) -> ChainState:
    if before.app.root() != before.header.app_root:
        raise _UnprovenError(Why.NOT_NAMED, "leaves of the parent")
    if not before.state:
        raise _UnprovenError(Why.MISSING, "state of the parent")
    try:
        state = decode_state(before.state)
    except DecodeError as error:
        raise _UnprovenError(Why.NOT_NAMED, f"state of the parent: {error.detail}") from None
    if state.state_leaves().root() != before.app.state_root:
        raise _UnprovenError(Why.NOT_NAMED, "state of the parent")
    return state


class _MissingError(Exception):
    """Execution asks for an object that the file does not hold."""


@dataclass(frozen=True, slots=True)
class _Material:
    """Body and objects of the block, each under the root it was found to have (`Bodies` of `execute`)."""

    body: Body
    models: Mapping[bytes, bytes] = field(default_factory=dict)
    updates: Mapping[bytes, bytes] = field(default_factory=dict)

    def update(self, root: bytes) -> bytes:
        """`Bodies.update`."""
        if root not in self.updates:
            raise _MissingError(f"update body {root.hex()}")
        return self.updates[root]

    def model(self, root: bytes) -> bytes:
        """`Bodies.model`."""
        if root not in self.models:
            raise _MissingError(f"model {root.hex()}")
        return self.models[root]


def _material(proof: FraudProof, parent: Parent) -> _Material:
    objects = proof.objects
    if not objects.body:
        raise _UnprovenError(Why.MISSING, "body of the block")
    try:
        body = Body.decode(objects.body)
    except DecodeError as error:
        raise _UnprovenError(Why.NOT_NAMED, f"body of the block: {error.detail}") from None
    if body.root() != proof.header.body_root:
        raise _UnprovenError(Why.NOT_NAMED, "body of the block")
    models = {model_root(objects.model): objects.model} if objects.model else {}
    if models and parent.state.model_root not in models:
        raise _UnprovenError(Why.NOT_NAMED, "model of the parent")
    return _Material(body, models, _named_updates(body, parent.state, objects.updates))


def _named_updates(body: Body, state: ChainState, bodies: tuple[bytes, ...]) -> dict[bytes, bytes]:
    """By root; each is the body that its head names, under the key of the head's account."""
    heads, named = body.updates, {}
    if len(bodies) > len(heads):
        raise _UnprovenError(Why.NOT_NAMED, f"{len(bodies)} update bodies for {len(heads)} heads")
    for head, data in zip(heads, bodies, strict=False):
        if not data:
            continue
        account = state.accounts.get(head.account)
        if account is None or update_root_of(account.public_key, head.round, data) != head.update_root:
            raise _UnprovenError(Why.NOT_NAMED, f"update body of account {head.account}")
        named[head.update_root] = data
    return named


def _check_claimed(proof: FraudProof) -> None:
    if proof.claimed is not None and proof.claimed.root() != proof.header.app_root:
        raise _UnprovenError(Why.NOT_NAMED, "leaves of the block")


# --- what it should have been ----------------------------------------------------------------------------


def _execute_again(
    rules: Rules, parent: Parent, proof: FraudProof, material: _Material
) -> tuple[tuple[Wrong, ...], str]:
    """What is wrong, and why a block of these records is not allowed; ends the check when nothing is."""
    header = proof.header
    slot = Slot(header.height, header.time_s, header.history_root)
    try:
        check_succession(parent, header, material.body)
        right = execute(rules, parent.state, slot, material.body, material).state.app_leaves()
    except ProtocolError as error:
        return (Wrong.RULES,), str(error)
    except _MissingError as missing:
        raise _UnprovenError(Why.MISSING, str(missing)) from None
    except (ArithmeticError, LookupError, ValueError, struct.error) as error:
        # Only on a state that no right block leads to: proof enough against its own block, not this one.
        raise _UnprovenError(Why.BREAKS_OFF, f"{type(error).__name__}: {error}") from None
    if right.root() == header.app_root:
        raise _UnprovenError(Why.RIGHT, f"height {header.height}")
    return _differences(right, proof.claimed), f"execution gives app root {right.root().hex()}"


def _differences(right: AppLeaves, claimed: AppLeaves | None) -> tuple[Wrong, ...]:
    if claimed is None:
        return (Wrong.UNTOLD,)
    pairs = (
        (Wrong.MODEL, right.model_root, claimed.model_root),
        (Wrong.STATE, right.state_root, claimed.state_root),
        (Wrong.VALIDATORS, right.validators_root, claimed.validators_root),
        (Wrong.NEXT_VALIDATORS, right.next_validators_root, claimed.next_validators_root),
    )
    return tuple(part for part, ours, theirs in pairs if ours != theirs)
