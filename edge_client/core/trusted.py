"""What the device believes: only verified things are ever put into these types.

`LightBlock` (protocol/light.py) is the untrusted twin; only `light_client.py` turns one into the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.protocol import mmr
from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.handoff import Handoff, TrustedSet
from edge_client.protocol.header import AppLeaves, StateLeaves
from edge_client.protocol.light import LightBlock
from edge_client.protocol.mmr import Peaks
from edge_client.protocol.state import Learning


@dataclass(frozen=True, slots=True)
class Tip:
    """The last header that is linked to genesis. `peaks` hold every header hash up to and with this one;
    `hash` is the chain id at height 0."""

    height: int
    hash: bytes
    time_s: int
    peaks: Peaks


@dataclass(frozen=True, slots=True)
class TrustedHead:
    """The latest state the device has seen proven. `block` is its proof; genesis (height 0) needs none."""

    height: int
    hash: bytes
    time_s: int
    app: AppLeaves
    state: StateLeaves
    learning: Learning
    block: LightBlock | None


@dataclass(frozen=True, slots=True)
class Trusted:
    """All that verification starts from. `signing` is the validator set of the tip's epoch, `handoffs` lead
    from it to later ones."""

    tip: Tip
    head: TrustedHead
    signing: TrustedSet
    handoffs: tuple[Handoff, ...] = ()


def genesis_trust(genesis: Genesis) -> Trusted:
    """What a new device believes: genesis, as its chain id names it."""
    signing = TrustedSet(0, genesis.validators)
    return Trusted(genesis_tip(genesis.chain_id()), genesis_head(genesis), signing)


def genesis_tip(chain_id: bytes) -> Tip:
    """The tip before the first header."""
    return Tip(0, chain_id, 0, mmr.EMPTY.append(chain_id))


def genesis_head(genesis: Genesis) -> TrustedHead:
    """The head before the first header: what genesis itself says."""
    state = genesis_state(genesis)
    return TrustedHead(
        0, genesis.chain_id(), 0, state.app_leaves(), state.state_leaves(), state.learning, None
    )


def verified_head(block: LightBlock, header_hash: bytes) -> TrustedHead:
    """The head that a *verified* light block stands for."""
    header = block.header
    return TrustedHead(
        header.height, header_hash, header.time_s, block.app, block.state, block.learning, block
    )
