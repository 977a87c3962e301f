"""Cases of proof files, checked offline against the chain id of the vector's genesis (and a checkpoint)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from edge_client.protocol.join import Checkpoint
from edge_client.protocol.proofs import Bundle, Claim, ModelProof, ProofFile
from edge_client.protocol.votes import Finality, Quorum, finalize
from tests.light_block_cases import ALIEN, MALFORMED
from tests.light_epoch_cases import case as epoch_case
from tests.light_epochs import EpochChain, rotating
from tests.light_forge import HEIGHTS, Json, Start, case, chain, finality
from tests.proof_builders import ancestor, balance_proof, make_bundle, model_proof, update_proof

CHECKPOINT = 9


@cache
def valid() -> ProofFile:
    """The update of one block, the balance after another, the model after the last."""
    made = chain()
    claims = (update_proof(made, 5), balance_proof(made, 1, 4), model_proof(made))
    return ProofFile(made.genesis, make_bundle(made, claims, CHECKPOINT))


def proof_cases() -> dict[str, Json]:
    """Every case by name."""
    made = chain()
    right = Checkpoint(CHECKPOINT, made.headers[CHECKPOINT - 1].hash(made.chain_id))
    met = Start(made, HEIGHTS, right)
    found = {
        "proof_of_three_claims": _case("the file that the others vary", valid(), "proven"),
        "proof_against_a_checkpoint": case(met, "chain id and checkpoint", _step(valid(), "proven")),
        "proof_without_the_checkpoint": case(
            met, "no connection is shown", _step(_with(checkpoint=None), "unlinked")
        ),
        "proof_against_another_checkpoint": case(
            Start(made, HEIGHTS, replace(right, header_hash=ALIEN)),
            "a final head contradicts what the operator said",
            _step(valid(), "conflict"),
        ),
        "proof_bytes_too_many": case(
            Start(made), "one encoding a proof", _step(valid().encode() + b"\x00", MALFORMED)
        ),
        "proof_bytes_too_few": case(
            Start(made), "one encoding a proof", _step(valid().encode()[:-1], MALFORMED)
        ),
    }
    found |= _over_epochs()
    found |= {f"proof_{name}": _case("nothing is proven", file, "unproven") for name, file in _broken()}
    return found


def _over_epochs() -> dict[str, Json]:
    """The model after the last block of six epochs."""
    made = rotating()
    last = made.height
    hops = (made.handoff(1), made.handoff(3, (1, 2, 3)), made.handoff(5, (0, 1, 3)))
    claim = ModelProof(None, made.blocks[-1].app)
    bundle = Bundle(made.header(last), made.finality(last), made.peaks(last - 1), None, (claim,), hops)
    start = epoch_start(made, last)
    ways = {
        "in_three_hops": (bundle, "proven"),
        "by_every_handoff": (replace(bundle, hops=tuple(made.handoffs())), "proven"),
        "without_hops": (replace(bundle, hops=()), "unproven"),
        "over_a_hop_nobody_vouches_for": (replace(bundle, hops=hops[2:]), "unproven"),
        "that_ends_an_epoch_early": (replace(bundle, hops=hops[:2]), "unproven"),
        "that_goes_back": (
            replace(bundle, hops=(made.handoff(1), made.handoff(0, (1, 2, 3)), *hops)),
            "unproven",
        ),
        "with_a_hop_signed_by_two": (
            replace(bundle, hops=(made.handoff(1, (1, 2)), *hops[1:])),
            "unproven",
        ),
        "signed_by_another_epochs_set": (replace(bundle, finality=_old_finality(made)), "unproven"),
    }
    return {
        f"proof_over_epochs_{name}": start(
            "who signed the head is shown, too", _step(ProofFile(made.genesis, one), verdict)
        )
        for name, (one, verdict) in ways.items()
    }


def _old_finality(made: EpochChain) -> Finality:
    old, last = made.blocks[0].signers, made.height
    message = finalize(made.header(last), made.hash(last)).signing_bytes(made.chain_id)
    return Finality(made.header(last).slot, Quorum.of({one: old[one].sign(message) for one in range(3)}))


def epoch_start(made: EpochChain, height: int) -> Callable[..., Json]:
    """Cases that start there."""
    return lambda why, *steps: epoch_case(why, *steps, chain=made, height=height)


def _case(why: str, shown: ProofFile, verdict: str) -> Json:
    return case(Start(chain()), why, _step(shown, verdict))


def _step(shown: ProofFile | bytes, verdict: str) -> Json:
    data = shown if isinstance(shown, bytes) else shown.encode()
    return {"proof": data.hex(), "verdict": verdict}


def _with(**changes: Any) -> ProofFile:
    return replace(valid(), bundle=replace(valid().bundle, **changes))


def _claims(*claims: Claim) -> ProofFile:
    return _with(claims=claims)


def _head(**changes: Any) -> ProofFile:
    """Another head, final all the same."""
    made, head = chain(), replace(valid().bundle.head, **changes)
    return _with(head=head, finality=finality(made, head))


def _broken() -> Sequence[tuple[str, ProofFile]]:
    made, other = chain(), chain(6)
    bundle: Bundle = valid().bundle
    update, balance, model = update_proof(made, 5), balance_proof(made, 1, 4), model_proof(made)
    account = replace(balance.account, account=replace(balance.account.account, balance=1))
    linked = ancestor(made, CHECKPOINT)
    assert linked is not None
    cut = replace(linked, siblings=(ALIEN, *linked.siblings[1:]))
    return (
        ("of_another_chain", ProofFile(other.genesis, make_bundle(other, (model_proof(other),)))),
        ("with_a_head_of_another_epoch", _head(epoch=1)),
        ("with_a_head_of_another_set", _head(validators=7)),
        ("with_peaks_that_are_not_the_heads", _head(history_root=ALIEN)),
        ("with_peaks_of_the_block_before", _with(peaks=made.peaks(HEIGHTS - 2))),
        (
            "with_peaks_that_nothing_uses",
            _with(peaks=made.peaks(HEIGHTS - 2), checkpoint=None, claims=(model,)),
        ),
        ("with_a_checkpoint_that_is_not_linked", _with(checkpoint=cut)),
        ("of_an_update_under_another_header", _claims(replace(update, at=ancestor(made, 7)))),
        ("of_an_update_changed", _claims(replace(update, update=replace(update.update, samples=9)))),
        ("of_another_balance", _claims(replace(balance, account=account))),
        ("of_other_accounts", _claims(replace(balance, state=replace(balance.state, accounts_root=ALIEN)))),
        ("of_a_state_of_another_block", _claims(replace(balance, app=balance_proof(made, 1, 6).app))),
        ("of_another_model", _claims(replace(model, app=replace(model.app, model_root=ALIEN)))),
        ("of_a_model_of_another_block", _claims(replace(model_proof(made, 4), at=None))),
        ("signed_by_two", _with(finality=made.finality(HEIGHTS, (0, 1)))),
        ("signed_by_nobody", _with(finality=Finality(HEIGHTS, Quorum(0, ())))),
        ("signed_for_the_block_before", _with(finality=replace(made.finality(HEIGHTS - 1), slot=HEIGHTS))),
        ("with_a_changed_head", _with(head=replace(bundle.head, body_root=ALIEN))),
    )
