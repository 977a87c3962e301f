"""kill -9 of a real process while a validator writes: what its disk holds afterwards always fits together."""

from __future__ import annotations

from pathlib import Path

from broker.adapters.block_store import BlockStore
from broker.core.consensus.log_entries import decode_log
from broker.core.ledger import included_updates
from broker.core.pruning import body_floor
from edge_client.protocol.body import decode_block
from edge_client.protocol.mmr import EMPTY
from tests.integration import killed_validator
from tests.integration.killed_validator import genesis, open_store
from tests.kill_loop import FOLDERS, KILLS, killed

SEED = 20261123
EFFECTS_MAX = 150


def check(folder: Path, seen: dict[int, bytes]) -> None:
    """All blocks seen before are there; the head has its history, state, model, and every body it names."""
    store = open_store(folder)
    stored = store.load()
    height = stored.head.header.height if stored.head is not None else 0
    floor = body_floor(height, genesis().params)
    peaks = EMPTY.append(genesis().chain_id())
    for number in range(1, height + 1):
        block_hash = check_block(store, number, floor)
        assert seen.setdefault(number, block_hash) == block_hash, f"block {number} has changed"
        peaks = peaks.append(block_hash)
    assert max(seen, default=0) == height, "a final block is gone"
    if stored.head is not None:
        assert stored.head.peaks == peaks
        assert stored.head.certificate is not None
        assert store.model(stored.head.state.model_root) is not None
    for offer in stored.offers:
        assert store.update(offer.head.update_root) is not None, "an update was acknowledged without its body"
    _, whole_bytes = decode_log(stored.log)
    assert whole_bytes == len(stored.log)
    store.close()


def check_block(store: BlockStore, height: int, floor: int) -> bytes:
    """One finalised height: header, body, where its updates stand, and above `floor` their bodies; returns
    the hash."""
    header = store.header(height)
    assert header is not None
    block_hash = header.hash(genesis().chain_id())
    data = store.block(block_hash)
    assert data is not None, f"block {height} is final but its body is not on the disk"
    found, body = decode_block(data)
    assert (found, body.root()) == (header, header.body_root)
    for root, place in included_updates(body):
        assert store.inclusion(root) == (height, place)
        assert height <= floor or store.update(root) is not None
    return block_hash


def test_twenty_kills_at_random_moments(tmp_path: Path) -> None:
    seen: dict[Path, dict[int, bytes]] = {}
    for folder in killed(killed_validator.__name__, SEED, EFFECTS_MAX, tmp_path):
        check(folder, seen.setdefault(folder, {}))
    assert len(seen) == FOLDERS
    assert all(len(blocks) >= KILLS // FOLDERS for blocks in seen.values()), "it did work between the kills"
