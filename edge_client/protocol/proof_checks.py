"""Whether a proof file proves what it says: one predicate per check, cheap ones first, signatures last.

Whoever checks knows one thing of the chain, his *anchor*: its id, or a header he trusts. Genesis in the file
is that of the anchor, because ids and header hashes cover it; so the validators in it are the chain's, and
a quorum of them makes the head of the bundle final [PRF-3].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.handoff import HandoffCase, TrustedSet, verify_handoff
from edge_client.protocol.header import Header
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.keys import Verify
from edge_client.protocol.proofs import AncestorProof, BalanceProof, Bundle, Claim, ProofFile, UpdateProof


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the reader of a proof trusts: a chain id, a checkpoint, or both; at least one."""

    chain_id: bytes | None = None
    checkpoint: Checkpoint | None = None

    def __post_init__(self) -> None:
        if self.chain_id is None and self.checkpoint is None:
            raise ValueError("a proof is checked against a chain id or a checkpoint")


@dataclass(frozen=True, slots=True)
class Proven:
    """Every claim of the file holds on the chain of the anchor; so many validators made its head final."""

    chain_id: bytes
    signatures: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing is proven."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class NotLinked:
    """The file may be right, but shows no connection to the checkpoint of this height."""

    height: int


@dataclass(frozen=True, slots=True)
class Contradicted:
    """A final header of the anchor's own chain shows another header at the checkpoint's height: the
    checkpoint is wrong, or more than a third of the validators lied."""

    height: int


Fault = Refused | NotLinked | Contradicted
Verdict = Proven | Fault


@dataclass(frozen=True, slots=True)
class Case:
    """One question to the predicates."""

    proof: ProofFile
    anchor: Anchor
    verify: Verify
    chain_id: bytes

    @property
    def bundle(self) -> Bundle:
        """What the file shows."""
        return self.proof.bundle


def check_proof(proof: ProofFile, anchor: Anchor, verify: Verify) -> Verdict:
    """Judge a proof file against what its reader trusts."""
    case = Case(proof, anchor, verify, proof.genesis.chain_id())
    faults = (predicate(case) for predicate in PREDICATES)
    fault = next((one for one in faults if one is not None), None)
    return fault or Proven(case.chain_id, len(case.bundle.finality.quorum.signatures))


def chain_is_the_anchors(case: Case) -> Fault | None:
    """Genesis is that of the chain asked for."""
    asked = case.anchor.chain_id
    if asked is not None and asked != case.chain_id:
        return Refused(Reason.WRONG_CHAIN, f"chain {case.chain_id.hex()}")
    return None


def head_names_the_set(case: Case) -> Fault | None:
    """The head names the epoch that the hops lead to (0 without), and as many validators as genesis has."""
    head, hops, validators = case.bundle.head, case.bundle.hops, case.proof.genesis.validators
    epoch = hops[-1].epoch + 1 if hops else 0
    if (head.epoch, head.validators) != (epoch, validators.count):
        return Refused(Reason.MALFORMED, f"epoch {head.epoch} with {head.validators} validators")
    return None


def peaks_are_the_heads(case: Case) -> Fault | None:
    """The peaks cover all headers before the head, and it commits to them."""
    head, peaks = case.bundle.head, case.bundle.peaks
    if peaks.size != head.height or peaks.root() != head.history_root:
        return Refused(Reason.WRONG_HASH, "peaks under the head")
    return None


def ancestors_are_linked(case: Case) -> Fault | None:
    """Every earlier header that is used stands in the range under the head."""
    bundle = case.bundle
    used = [bundle.checkpoint, *(claim.at for claim in bundle.claims)]
    for ancestor in used:
        if ancestor is None:
            continue
        if ancestor.root_for(case.chain_id, bundle.peaks) != bundle.head.history_root:
            return Refused(Reason.WRONG_HASH, f"header of height {ancestor.header.height}")
    return None


def claims_hold(case: Case) -> Fault | None:
    """What each claim says is what its header commits to."""
    for claim in case.bundle.claims:
        if not _holds(claim, header_of(claim, case.bundle)):
            return Refused(Reason.WRONG_HASH, f"{type(claim).__name__} does not fit its header")
    return None


def _holds(claim: Claim, header: Header) -> bool:
    if isinstance(claim, UpdateProof):
        return claim.record.body_root_for(claim.update) == header.body_root
    if claim.app.root() != header.app_root:
        return False
    if not isinstance(claim, BalanceProof):
        return True
    return claim.state.root() == claim.app.state_root and claim.account.root() == claim.state.accounts_root


def checkpoint_is_shown(case: Case) -> Fault | None:
    """The file holds the header of the checkpoint's height."""
    checkpoint = case.anchor.checkpoint
    if checkpoint is None or _header_at(case.bundle, checkpoint.height) is not None:
        return None
    return NotLinked(checkpoint.height)


def checkpoint_is_of_this_chain(case: Case) -> Fault | None:
    """Without a chain id the checkpoint is all that ties genesis to the anchor: its hash covers the id."""
    if case.anchor.chain_id is None and not _agrees(case):
        return Refused(Reason.WRONG_CHAIN, "another header at the checkpoint's height")
    return None


def hops_lead_on(case: Case) -> Fault | None:
    """Each hop is vouched for by the set before it, the first one by that of genesis. How old it is does not
    matter here: a proof is read at any time."""
    trusted = TrustedSet(0, case.proof.genesis.validators)
    for hop in case.bundle.hops:
        try:
            trusted = verify_handoff(HandoffCase(case.chain_id, case.verify, trusted, hop))
        except ProtocolError as error:
            return Refused(error.reason, error.detail)
    return None


def signed_by_quorum(case: Case) -> Fault | None:
    """More than two thirds of the validators the hops lead to voted to finalise exactly this head."""
    head, hops = case.bundle.head, case.bundle.hops
    validators = hops[-1].sets.next if hops else case.proof.genesis.validators
    try:
        case.bundle.finality.verify(head, case.chain_id, validators, case.verify)
    except ProtocolError as error:
        return Refused(error.reason, error.detail)
    return None


def checkpoint_agrees(case: Case) -> Fault | None:
    """Asked last: only a head that is final can contradict a checkpoint."""
    checkpoint = case.anchor.checkpoint
    return None if checkpoint is None or _agrees(case) else Contradicted(checkpoint.height)


def header_of(claim: Claim, bundle: Bundle) -> Header:
    """The header a claim belongs to."""
    return bundle.head if claim.at is None else claim.at.header


def _agrees(case: Case) -> bool:
    checkpoint = case.anchor.checkpoint
    if checkpoint is None:
        return True
    header = _header_at(case.bundle, checkpoint.height)
    return header is not None and header.hash(case.chain_id) == checkpoint.header_hash


def _header_at(bundle: Bundle, height: int) -> Header | None:
    ancestors = (bundle.checkpoint, *(claim.at for claim in bundle.claims))
    linked = (one.header for one in ancestors if isinstance(one, AncestorProof))
    return next((one for one in (bundle.head, *linked) if one.height == height), None)


PREDICATES: tuple[Callable[[Case], Fault | None], ...] = (
    chain_is_the_anchors,
    head_names_the_set,
    checkpoint_is_shown,
    checkpoint_is_of_this_chain,
    peaks_are_the_heads,
    ancestors_are_linked,
    claims_hold,
    hops_lead_on,
    signed_by_quorum,
    checkpoint_agrees,
)
"""Every check, in the order in which they are made."""
