"""kill -9 of a real process while a validator writes: what its disk holds afterwards always fits together."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from broker.adapters.block_store import BlockStore
from broker.core.consensus.log_entries import decode_log
from broker.core.ledger import included_updates
from broker.core.pruning import body_floor
from edge_client.protocol.body import decode_block
from edge_client.protocol.mmr import EMPTY
from tests.integration.killed_validator import genesis, open_store

SEED = 20261123
KILLS = 20
EFFECTS_MAX = 150
FOLDERS = 4


def run_and_kill(folder: Path, effects: int) -> None:
    """Kill it somewhere after it began so many effects; where exactly is up to the two processes."""
    command = [sys.executable, "-m", "tests.integration.killed_validator", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(effects):
            assert process.stdout.readline() == "here\n", "it must be able to start from what a kill left"
        process.kill()


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
    moments = random.Random(SEED)
    seen: list[dict[int, bytes]] = [{} for _ in range(FOLDERS)]
    for number in range(KILLS):
        folder = tmp_path / str(number % FOLDERS)
        run_and_kill(folder, moments.randint(1, EFFECTS_MAX))
        check(folder, seen[number % FOLDERS])
    assert all(len(blocks) >= KILLS // FOLDERS for blocks in seen), "it did work between the kills"
