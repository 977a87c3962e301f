"""Proof files out of a device's folder: what it can show to others about its updates, account and model."""

from __future__ import annotations

from collections.abc import Callable

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.core.ancestry import NotHeldError, trace
from edge_client.protocol import keys
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.handoff import HANDOFFS_MAX, TrustedSet
from edge_client.protocol.header import AppLeaves
from edge_client.protocol.hops import plan
from edge_client.protocol.proof_checks import Anchor, Proven, check_proof
from edge_client.protocol.proofs import (
    AncestorProof,
    BalanceProof,
    Bundle,
    Claim,
    ModelProof,
    ProofFile,
    UpdateProof,
)


class CannotProveError(Exception):
    """The folder does not hold what the proof needs; one sentence for the owner."""


Finish = Callable[[AncestorProof | None], Claim]
"""Makes the claim once the way from its block to the head is known."""


def prove_update(disk: DeviceDisk, root: bytes, checkpoint: int | None = None) -> ProofFile:
    """That the own update with this root stands in a final block; raises `CannotProveError`."""
    found = disk.outbox.included(root)
    if found is None:
        raise CannotProveError(
            "this device holds no proof of inclusion of that update; "
            "`edge-client status --json` lists roots and fates"
        )
    return _file(disk, found.height, lambda at: UpdateProof(at, found.head, found.proof), checkpoint)


def prove_balance(disk: DeviceDisk, checkpoint: int | None = None) -> ProofFile:
    """The own account, as of the height it was last proven at; raises `CannotProveError`."""
    account, leaves = disk.chain.account(), disk.chain.account_leaves()
    if account is None or leaves is None:
        raise CannotProveError("this device's account is not proven yet; run the device first")
    height, proof = account
    return _file(disk, height, lambda at: BalanceProof(at, *leaves, proof), checkpoint)


def prove_model(disk: DeviceDisk, checkpoint: int | None = None) -> ProofFile:
    """The model after the head; raises `CannotProveError`."""
    head = disk.chain.head_block()
    if head is None:
        raise CannotProveError("nothing is stored yet; run the device first")
    return prove_model_at(disk, head.header.height, head.app, checkpoint)


def prove_model_at(disk: DeviceDisk, height: int, app: AppLeaves, checkpoint: int | None = None) -> ProofFile:
    """The model that the header of `height` commits to through `app`; raises `CannotProveError`."""
    return _file(disk, height, lambda at: ModelProof(at, app), checkpoint)


def _file(disk: DeviceDisk, height: int, finish: Finish, checkpoint: int | None) -> ProofFile:
    genesis, head = disk.genesis(), disk.chain.head_block()
    if genesis is None or head is None or height > head.header.height:
        raise CannotProveError(
            "the chain is not followed up to that block; run the device until it is synced"
        )
    last = head.header.height
    if checkpoint is not None and not 1 <= checkpoint <= last:
        raise CannotProveError(f"no header of height {checkpoint} is known here; the head has height {last}")
    heights = {height, last if checkpoint is None else checkpoint} - {last}
    try:
        ancestry = trace(genesis.chain_id(), disk.chain.history(last - 1), head.header, heights)
    except NotHeldError as error:
        raise CannotProveError(str(error)) from error
    except ProtocolError as error:
        raise CannotProveError(
            f"the stored chain does not hold ({error}); see `edge-client verify`"
        ) from error
    shown = None if checkpoint is None else ancestry.ancestors.get(checkpoint)
    claim = finish(ancestry.ancestors.get(height))
    handoffs = [one for one in disk.chain.handoffs(0) if one.epoch < head.header.epoch]
    hops = plan(TrustedSet(0, genesis.validators), handoffs)
    if disk.chain.vouched() and (hops[-1].epoch + 1 if hops else 0) != head.header.epoch:
        raise CannotProveError(
            "no handoffs lead from genesis to the head: you vouched for a header on the way (`edge-client "
            "trust`), and nobody else needs to take your word"
        )
    if len(hops) > HANDOFFS_MAX:
        raise CannotProveError(f"it takes {len(hops)} handoffs, and a proof holds {HANDOFFS_MAX}")
    proof = ProofFile(genesis, Bundle(head.header, head.finality, ancestry.peaks, shown, (claim,), hops))
    verdict = check_proof(proof, Anchor(genesis.chain_id()), keys.verify)
    if not isinstance(verdict, Proven):
        raise CannotProveError(f"the stored chain does not hold ({verdict}); see `edge-client verify`")
    return proof
