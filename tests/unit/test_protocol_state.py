"""[STA-1] to [STA-3]: which state a header commits to."""

from __future__ import annotations

from dataclasses import replace

from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.execution.selection import THETA_ALL
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.state import bases_root
from tests.builders import ChainMaker, make_genesis
from tests.protocol_examples import chain


def test_round_1_is_open_from_the_start() -> None:
    genesis = make_genesis()
    state = genesis_state(genesis)
    learning = state.learning
    assert (learning.round, learning.opened_height, learning.opened_at_s) == (1, 0, 0)
    assert (learning.seed, learning.theta) == (genesis.chain_id(), THETA_ALL)
    assert state.model_root == genesis.model_root
    assert len(state.accounts) == 0


def test_bases_are_found_by_round_and_committed_in_order() -> None:
    state = chain().state
    assert [base.round for base in state.bases] == [1, 2, 3]
    assert state.base_of(2) == state.bases[1]
    assert state.base_of(4) is None
    assert state.learning.bases_root == bases_root(state.bases)
    assert bases_root(state.bases) == digest(Tag.BASES, *(base.encode() for base in state.bases))


def test_only_bases_within_staleness_max_are_kept() -> None:
    made = ChainMaker(devices=2)
    for _ in range(12):
        made.close_round()
    assert [base.round for base in made.state.bases] == list(range(5, 14))


def test_every_part_of_the_state_moves_the_app_root() -> None:
    made = chain()
    state = made.state

    def root_of(changed: object) -> bytes:
        return changed.app_leaves().root()  # type: ignore[attr-defined]

    roots = {
        root_of(state),
        root_of(replace(state, accounts=made.states[1].accounts)),
        root_of(replace(state, params=made.states[1].params)),
        root_of(replace(state, learning=replace(state.learning, updates=99))),
        root_of(replace(state, bases=state.bases[:-1])),
        root_of(replace(state, seats=replace(state.seats, convicted=1))),
    }
    assert len(roots) == 6
