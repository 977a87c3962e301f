"""Valid proofs from a `ChainMaker`: a test takes one, breaks one thing, and looks what happens."""

from __future__ import annotations

from edge_client.protocol.mmr import prove
from edge_client.protocol.proofs import AncestorProof, BalanceProof, Bundle, Claim, ModelProof, UpdateProof
from tests.builders import ChainMaker


def ancestor(chain: ChainMaker, height: int, head: int | None = None) -> AncestorProof | None:
    """The header of a height under that of `head` (default: the last); None for the head itself."""
    head = head or chain.height
    if height == head:
        return None
    siblings = prove(chain.leaves(head - 1), height).siblings
    return AncestorProof(chain.headers[height - 1], siblings)


def update_proof(chain: ChainMaker, height: int, index: int = 0) -> UpdateProof:
    """The first (or another) update of a block."""
    body = chain.bodies[height - 1]
    return UpdateProof(ancestor(chain, height), body.updates[index], body.prove(index))


def balance_proof(chain: ChainMaker, account: int, height: int | None = None) -> BalanceProof:
    """An account after the block of `height` (default: the last)."""
    height = height or chain.height
    state = chain.states[height]
    app = state.app_leaves()
    return BalanceProof(ancestor(chain, height), app, state.state_leaves(), state.accounts.prove(account))


def model_proof(chain: ChainMaker, height: int | None = None) -> ModelProof:
    """The model after the block of `height` (default: the last)."""
    height = height or chain.height
    app = chain.states[height].app_leaves()
    return ModelProof(ancestor(chain, height), app)


def make_bundle(chain: ChainMaker, claims: tuple[Claim, ...], checkpoint: int | None = None) -> Bundle:
    """These claims under the last block."""
    linked = None if checkpoint is None else ancestor(chain, checkpoint)
    peaks, finality = chain.peaks(chain.height - 1), chain.finality(chain.height)
    return Bundle(chain.headers[-1], finality, peaks, linked, claims)
