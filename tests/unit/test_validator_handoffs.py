"""Validators keep the handoff of every epoch that ends, and answer with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from broker.adapters.block_store import BlockStore
from broker.adapters.memory_store import MemoryStore
from broker.core.effects import StoreBlock, StoreFinal
from edge_client.protocol import keys
from edge_client.protocol.handoff import HandoffCase, TrustedSet, verify_handoff
from edge_client.protocol.seats import Seat
from edge_client.protocol.votes import Certificate, Quorum, finalize
from tests.builders import ChainMaker
from tests.light_epochs import newcomer

CHAIN = ChainMaker(devices=1)


def final(*, sealed: bool = True, certified: bool = True) -> StoreFinal:
    """The first block, as if it ended its epoch with one seat given away."""
    state, header = CHAIN.state, CHAIN.headers[0]
    if sealed:
        following = (Seat(newcomer(1).public_key, 0), *state.seats.seated[1:])
        state = replace(state, seats=replace(state.seats, next=following, is_sealed=True))
        header = replace(header, app_root=state.app_leaves().root())
    header_hash = header.hash(CHAIN.chain_id)
    subject = finalize(header, header_hash)
    message = subject.signing_bytes(CHAIN.chain_id)
    certificate = Certificate(subject, Quorum.of({i: CHAIN.signers[i].sign(message) for i in range(3)}))
    shown = certificate if certified else None
    return StoreFinal(header, header_hash, shown, state, (), None, (), CHAIN.peaks())


def test_the_last_block_of_an_epoch_is_a_handoff() -> None:
    handoff = final().handoff
    assert handoff is not None
    trusted = TrustedSet(0, CHAIN.validators)
    following = verify_handoff(HandoffCase(CHAIN.chain_id, keys.verify, trusted, handoff))
    assert following.epoch == 1
    assert following.validators.keys == (newcomer(1).public_key, *CHAIN.validators.keys[1:])


def test_other_blocks_are_none() -> None:
    assert final(sealed=False).handoff is None
    assert final(certified=False).handoff is None


@pytest.mark.parametrize("sealed", [True, False])
def test_both_stores_keep_it(tmp_path: Path, sealed: bool) -> None:
    effect = final(sealed=sealed)
    disk = BlockStore(tmp_path, CHAIN.genesis, {})
    memory = MemoryStore({})
    for store in (disk, memory):
        store.store_block(StoreBlock(effect.header_hash, CHAIN.chain_id, effect.header, CHAIN.bodies[0]))
        store.store_final(effect)
        assert store.handoff(0) == effect.handoff
        assert store.handoff(1) is None
    disk.close()
