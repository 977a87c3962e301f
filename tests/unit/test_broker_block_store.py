"""The validator's disk: what a crash between its steps may leave, and what it refuses."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from broker.adapters.block_store import BlockStore
from broker.adapters.validator_database import DATABASE_FILE
from broker.core.effects import AppendLog, ForgetEvidence, StoreEvidence, StoreFinal, StoreUpdate
from broker.core.ledger import included_updates
from edge_client.protocol.chunks import CHUNK_BYTES, ObjectKind, split
from edge_client.protocol.evidence import ProposalPair, VotePair
from edge_client.protocol.mmr_nodes import node_count
from edge_client.runtime.database import DatabaseError
from edge_client.runtime.files import TEMPORARY_SUFFIX
from tests.builders import GRAPH_BYTES, ChainMaker, chain_of, make_update
from tests.candidacies import proposal_pair, vote_pair

HALF_WRITTEN = bytes(32).hex()


class PowerCutError(Exception):
    """Nothing after this reached the disk."""


def open_store(folder: Path, chain: ChainMaker) -> BlockStore:
    genesis = chain.genesis
    return BlockStore(folder, genesis, {chain.chain_id: genesis.encode(), genesis.graph_root: GRAPH_BYTES})


def final(chain: ChainMaker, height: int) -> StoreFinal:
    header, state = chain.headers[height - 1], chain.states[height]
    return StoreFinal(
        header,
        header.hash(chain.chain_id),
        chain.certificate(height),
        state,
        tuple(enumerate(state.accounts)),
        chain.outcomes[height - 1].model,
        included_updates(chain.bodies[height - 1]),
        chain.peaks(height),
    )


@pytest.fixture
def chain() -> ChainMaker:
    """Updates are too old after one round."""
    return chain_of(3, staleness_max=0)


def test_an_update_that_gets_too_old_goes_from_the_disk(tmp_path: Path, chain: ChainMaker) -> None:
    store, made = open_store(tmp_path, chain), make_update(chain, 2)
    store.store_update(StoreUpdate(made.offer, made.body))
    store.store_final(final(chain, 1))
    assert store.has_update(made.head.update_root)
    chain.close_round([0, 1])
    store.store_final(final(chain, 2))
    assert store.load().offers == ()
    assert not store.has_update(made.head.update_root)


def test_a_body_stays_until_the_block_that_made_it_old_is_committed(
    tmp_path: Path, chain: ChainMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power cut leaves an acknowledged update without its body: no block could be built on it."""
    store, made = open_store(tmp_path, chain), make_update(chain, 2)
    store.store_final(final(chain, 1))
    store.store_update(StoreUpdate(made.offer, made.body))
    chain.close_round([0, 1])
    drop_offers = store._drop_offers

    def cut(oldest_round: int) -> list[bytes]:
        drop_offers(oldest_round)
        raise PowerCutError

    monkeypatch.setattr(store, "_drop_offers", cut)
    with pytest.raises(PowerCutError):
        store.store_final(final(chain, 2))
    store.close()
    again = open_store(tmp_path, chain)
    loaded = again.load()
    assert loaded.head is not None
    assert loaded.head.header.height == 1
    assert loaded.offers == (made.offer,)
    assert again.update(made.head.update_root) == made.body


def test_log_entries_below_a_certified_slot_go_and_the_rest_stays_in_order(
    tmp_path: Path, chain: ChainMaker
) -> None:
    store = open_store(tmp_path, chain)
    for slot, entry in ((1, b"a"), (2, b"b"), (1, b"c"), (3, b"d")):
        store.append_log(AppendLog(0, slot, entry))
    assert store.load().log == b"abcd"
    store.store_final(final(chain, 1))
    assert store.load().log == b"abcd"
    chain.close_round([0, 1])
    store.store_final(final(chain, 2))
    assert store.load().log == b"bd"


def test_a_height_is_final_once(tmp_path: Path, chain: ChainMaker) -> None:
    store = open_store(tmp_path, chain)
    store.store_final(final(chain, 1))
    with pytest.raises(RuntimeError, match="height 1 is final already"):
        store.store_final(final(chain, 1))


def whole(store: BlockStore, kind: ObjectKind, root: bytes) -> bytes | None:
    """An object from all its pieces."""
    first = store.piece(kind, root, 0)
    if first is None:
        return None
    pieces = [store.piece(kind, root, index) for index in range(first.count)]
    assert store.piece(kind, root, first.count) is None
    return b"".join(one.data for one in pieces if one is not None)


def test_fixed_objects_are_served_and_nothing_under_another_kind(tmp_path: Path, chain: ChainMaker) -> None:
    store = open_store(tmp_path, chain)
    assert whole(store, ObjectKind.GENESIS, chain.chain_id) == chain.genesis.encode()
    assert whole(store, ObjectKind.GRAPH, chain.genesis.graph_root) == GRAPH_BYTES
    assert store.piece(ObjectKind.MODEL, chain.chain_id, 0) is None
    assert store.piece(ObjectKind.BLOCK, bytes(32), 0) is None


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_files_are_served_in_pieces(tmp_path: Path, chain: ChainMaker, size: int) -> None:
    store, data = open_store(tmp_path, chain), bytes(range(256)) * (size // 256) + bytes(size % 256)
    store.store_model(bytes(32), data)
    assert whole(store, ObjectKind.MODEL, bytes(32)) == data
    first = store.piece(ObjectKind.MODEL, bytes(32), 0)
    assert first is not None
    assert first.count == len(split(data))


def test_only_the_validator_itself_removes_what_a_crash_left(tmp_path: Path, chain: ChainMaker) -> None:
    open_store(tmp_path, chain).close()
    leftover = tmp_path / "blocks" / f"{HALF_WRITTEN}.77{TEMPORARY_SUFFIX}"
    leftover.write_bytes(b"half")
    store = open_store(tmp_path, chain)
    assert leftover.exists()
    store.remove_leftovers()
    assert not leftover.exists()


def test_a_damaged_database_is_told_in_a_sentence(tmp_path: Path, chain: ChainMaker) -> None:
    (tmp_path / "validator.db").write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(DatabaseError, match=r"validator\.db"):
        open_store(tmp_path, chain)


def test_a_store_from_before_the_range_was_kept_is_completed_when_opened(
    tmp_path: Path, chain: ChainMaker
) -> None:
    """Nodes of heights 1 to 6 are computed from the stored header hashes, once."""
    for _ in range(5):
        chain.close_round([0, 1])
    store = open_store(tmp_path, chain)
    for height in range(1, chain.height + 1):
        store.store_final(final(chain, height))
    nodes = [store.mmr_node(position) for position in range(node_count(chain.height + 1))]
    store.close()
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as database, database:
        database.execute("delete from mmr where position > 3")
    again = open_store(tmp_path, chain)
    assert None not in nodes
    assert [again.mmr_node(position) for position in range(len(nodes))] == nodes
    again.close()


def test_evidence_waits_on_the_disk_until_it_is_forgotten(tmp_path: Path, chain: ChainMaker) -> None:
    pairs: list[VotePair | ProposalPair] = [
        vote_pair(chain, chain.signers[1]),
        proposal_pair(chain, chain.signers[2]),
    ]
    store = open_store(tmp_path, chain)
    for pair in (*pairs, vote_pair(chain, chain.signers[1])):
        store.store_evidence(StoreEvidence(pair))
    store.close()
    store = open_store(tmp_path, chain)
    assert sorted(store.load().evidence, key=lambda one: one.key) == sorted(pairs, key=lambda one: one.key)
    store.forget_evidence(ForgetEvidence(pairs[0].key))
    assert store.load().evidence == (pairs[1],)
    store.close()
