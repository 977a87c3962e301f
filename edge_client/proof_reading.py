"""What a proof file says, once it is verified: as facts for programs and as sentences for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from edge_client.protocol.header import Header
from edge_client.protocol.keys import node_id
from edge_client.protocol.proof_checks import Proven, header_of
from edge_client.protocol.proofs import BalanceProof, Claim, ProofFile, UpdateProof

TIME_MAX_S = 253_402_300_799
"""The last second of the year 9999; a founder may write any u64 into genesis."""


def facts_of(proof: ProofFile, proven: Proven) -> dict[str, Any]:
    """Everything that is proven; times are those of the validators."""
    bundle, genesis = proof.bundle, proof.genesis
    return {
        "proven": True,
        "chain": proven.chain_id.hex(),
        "head": _place(bundle.head, proof) | {"hash": bundle.head.hash(proven.chain_id).hex()},
        "signatures": proven.signatures,
        "validators": genesis.validators.count,
        "claims": [_place(header_of(one, bundle), proof) | _claim(one) for one in bundle.claims],
    }


def _place(header: Header, proof: ProofFile) -> dict[str, Any]:
    at_s = proof.genesis.t0_s + header.time_s
    shown = (
        datetime.fromtimestamp(at_s, timezone.utc).isoformat() if at_s <= TIME_MAX_S else "beyond year 9999"
    )
    return {"height": header.height, "time": shown}


def _claim(claim: Claim) -> dict[str, Any]:
    if isinstance(claim, UpdateProof):
        head = claim.update
        return {
            "kind": "update",
            "root": head.update_root.hex(),
            "account": head.account,
            "round": head.round,
            "samples": head.samples,
            "steps": head.steps,
        }
    if isinstance(claim, BalanceProof):
        account = claim.account.account
        return {
            "kind": "balance",
            "account": claim.account.index,
            "device": node_id(account.public_key),
            "key": account.public_key.hex(),
            "balance": account.balance,
            "contribution": account.contribution,
            "last_round": account.last_round,
        }
    return {"kind": "model", "root": claim.app.model_root.hex()}


_SENTENCES = {
    "update": "update {root} stands in the block of height {height} ({time}): "
    "by account {account}, for round {round}, {samples} samples, {steps} steps",
    "balance": "account {account} of device {device} held {balance} after the block of height {height} "
    "({time}), contribution {contribution}, last round {last_round}",
    "model": "the model after the block of height {height} ({time}) has the root {root}",
}


def in_words(facts: dict[str, Any]) -> Iterator[str]:
    """One sentence for each claim, and one for what all of them rest on."""
    for claim in facts["claims"]:
        yield "proven: " + _SENTENCES[claim["kind"]].format(**claim)
    if "file" in facts:
        yield "proven: {name} is the chain's inference file and holds exactly the model {root}".format(
            **facts["file"]
        )
    head = facts["head"]
    yield (
        f"because {facts['signatures']} of the {facts['validators']} validators of chain {facts['chain']} "
        f"made the block of height {head['height']} ({head['time']}) final, and it commits to that"
    )
