"""Blocks that a quorum of `ChainMaker` signs although nobody could have computed them, and fraud proofs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edge_client.protocol.body import Body
from edge_client.protocol.fraud import Above, Before, Commitment, FraudProof, Objects
from edge_client.protocol.handoff import Handoff
from edge_client.protocol.header import AppLeaves, Header
from edge_client.protocol.mmr import prove
from edge_client.protocol.proofs import AncestorProof
from edge_client.protocol.records import Record
from edge_client.protocol.state_object import encode_state
from tests.builders import ChainMaker


def fraud_proof(
    chain: ChainMaker, height: int, claimed: AppLeaves | None = None, hops: tuple[Handoff, ...] = ()
) -> FraudProof:
    """Everything the chain has about one block; the block's own certificate."""
    header, body, state = chain.headers[height - 1], chain.bodies[height - 1], chain.states[height - 1]
    before = None
    if height > 1:
        before = Before(chain.headers[height - 2], state.app_leaves(), encode_state(state))
    bodies = tuple(chain.update_bodies[head.update_root] for head in body.updates)
    peaks = chain.peaks(height - 2) if height > 1 else replace(chain.peaks(0), size=0, hashes=())
    return FraudProof(
        genesis=chain.genesis,
        header=header,
        place=Commitment(hops, chain.finality(height), None, peaks),
        before=before,
        claimed=claimed,
        objects=Objects(body.encode(), chain.models[state.model_root], bodies),
    )


def from_above(chain: ChainMaker, proof: FraudProof) -> FraudProof:
    """The same by the finality of the chain's last header."""
    height, header = proof.header.height, chain.headers[-1]
    siblings = prove(chain.leaves(chain.height - 1), height).siblings
    above = Above(header, chain.peaks(chain.height - 1), AncestorProof(proof.header, siblings))
    return replace(proof, place=replace(proof.place, finality=chain.finality(chain.height), above=above))


def overwrite(chain: ChainMaker, app: AppLeaves | None = None, **changes: int | bytes) -> Header:
    """Replace the header of the last block: that is what the validators sign from now on."""
    changed = {**changes, **({} if app is None else {"app_root": app.root()})}
    chain.headers[-1] = replace(chain.headers[-1], **changed)  # type: ignore[arg-type]
    return chain.headers[-1]


def forbidden(chain: ChainMaker, records: Iterable[Record]) -> Header:
    """Put these records into the last block, whatever `execute` says of them."""
    chain.bodies[-1] = Body.of(records, chain.bodies[-1].justification)
    return overwrite(chain, body_root=chain.bodies[-1].root())
