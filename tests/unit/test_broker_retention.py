"""The validator's disk with pruning: it stops growing, nothing needed goes, a crash between is made good."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.adapters.block_store import BlockStore
from broker.core.effects import StoreBlock, StoreUpdate, StoreUpdateBody
from broker.core.pruning import body_floor
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.state_object import decode_state
from tests.builders import ChainMaker, chain_of, make_update, params_change
from tests.unit.test_broker_block_store import final, open_store

WINDOW, STALENESS, DEVICES = 4, 1, 3


class Rig:
    """A chain and the disk of a validator that follows it."""

    def __init__(self, folder: Path, window: int = WINDOW) -> None:
        self.folder = folder
        self.chain: ChainMaker = chain_of(DEVICES, staleness_max=STALENESS, body_window=window)
        self.store: BlockStore = self.open()
        self.store.store_final(final(self.chain, 1))

    def open(self) -> BlockStore:
        """As the service does."""
        store = open_store(self.folder, self.chain)
        initial = self.chain.genesis.model_root
        store.store_model(initial, self.chain.models[initial])
        return store

    def close_rounds(self, count: int) -> None:
        """Each with a block and the bodies of its updates, half of them from other validators."""
        for number in range(count):
            made = [
                make_update(self.chain, account) for account in (number % DEVICES, (number + 1) % DEVICES)
            ]
            self.store.store_update(StoreUpdate(made[0].offer, made[0].body))
            self.store.store_update_body(StoreUpdateBody(made[1].head.update_root, made[1].body))
            self.chain.add([one.head for one in made])
            self.finish()

    def finish(self) -> None:
        """Store the chain's last block."""
        height = self.chain.height
        header, body = self.chain.headers[-1], self.chain.bodies[-1]
        self.store.store_block(StoreBlock(header.hash(self.chain.chain_id), bytes(32), header, body))
        self.store.store_final(final(self.chain, height))

    def files(self, name: str) -> set[bytes]:
        """Roots in one folder."""
        return {bytes.fromhex(path.name) for path in (self.folder / name).iterdir()}

    def updates_of(self, heights: range) -> set[bytes]:
        """Roots of the updates in these blocks."""
        bodies = self.chain.bodies
        return {head.update_root for height in heights for head in bodies[height - 1].updates}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Beyond its window."""
    made = Rig(tmp_path)
    made.close_rounds(8)
    return made


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """The same for tests that only look."""
    made = Rig(tmp_path_factory.mktemp("validator"))
    made.close_rounds(8)
    return made


def test_update_bodies_of_the_window_stay_and_no_others(read_only: Rig) -> None:
    height = read_only.chain.height
    floor = body_floor(height, read_only.chain.state.params.in_force)
    assert floor == height - WINDOW == read_only.store.retention.pruned_to
    assert read_only.files("updates") == read_only.updates_of(range(floor + 1, height + 1))


def test_heads_of_all_blocks_stay_so_every_update_can_be_proven(read_only: Rig) -> None:
    for height in range(2, read_only.chain.height + 1):
        assert (
            read_only.store.block(read_only.chain.headers[height - 1].hash(read_only.chain.chain_id))
            is not None
        )
        assert all(
            read_only.store.inclusion(root) for root in read_only.updates_of(range(height, height + 1))
        )


def test_models_of_the_window_and_of_checkpoints_and_the_first_stay(read_only: Rig) -> None:
    height, chain = read_only.chain.height, read_only.chain
    kept = read_only.store.retention.checkpoint_heights()
    assert kept == [6, 8]
    needed = {chain.states[h].model_root for h in range(height - WINDOW + 1, height + 1)}
    needed |= {base.model_root for h in (*kept, height) for base in chain.states[h].bases}
    assert read_only.files("models") == needed | {chain.genesis.model_root}


def test_the_newest_two_checkpoints_are_whole_states(read_only: Rig) -> None:
    expected = {read_only.chain.states[h].state_leaves().root() for h in (6, 8)}
    assert read_only.files("states") == expected
    newest = read_only.store.checkpoint()
    assert newest is not None
    assert (newest.height, newest.app.root()) == (8, read_only.chain.headers[7].app_root)
    piece = read_only.store.piece(ObjectKind.STATE, newest.app.state_root, 0)
    assert piece is not None
    assert decode_state(piece.data).state_leaves().root() == newest.app.state_root


def test_the_disk_stops_growing_but_for_heads(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.close_rounds(6)
    before = {name: len(rig.files(name)) for name in ("updates", "models", "states", "blocks")}
    rig.close_rounds(4)
    after = {name: len(rig.files(name)) for name in before}
    assert after.pop("blocks") == before.pop("blocks") + 4
    assert after == before


def test_candidates_and_bodies_that_never_became_final_go_too(rig: Rig) -> None:
    made = make_update(rig.chain, 2, samples=7)
    header, body = rig.chain.headers[-1], rig.chain.bodies[-1]
    rig.store.store_update_body(StoreUpdateBody(made.head.update_root, made.body))
    rig.store.store_block(StoreBlock(b"\xff" * 32, bytes(32), header, body))
    rig.close_rounds(WINDOW)
    assert made.head.update_root in rig.files("updates")
    rig.close_rounds(2)
    assert made.head.update_root not in rig.files("updates")
    assert b"\xff" * 32 not in rig.files("blocks")


def test_a_crash_before_the_files_are_gone_is_made_good(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.store.retention, "sweep", lambda *_: None)
    rig.close_rounds(1)
    rig.store.close()
    height = rig.chain.height
    assert rig.updates_of(range(height - WINDOW, height - WINDOW + 1)) <= rig.files("updates")
    rig.store = rig.open()
    rig.store.remove_leftovers()
    rig.close_rounds(1)
    height = rig.chain.height
    assert rig.files("updates") == rig.updates_of(range(height - WINDOW + 1, height + 1))


def test_a_crash_after_the_files_are_gone_changes_nothing(rig: Rig) -> None:
    before = {name: rig.files(name) for name in ("updates", "models", "states", "blocks")}
    rig.store.close()
    rig.store = rig.open()
    rig.store.remove_leftovers()
    assert {name: rig.files(name) for name in before} == before
    stored = rig.store.load().head
    assert stored is not None
    assert all(rig.store.model(base.model_root) for base in stored.state.bases)
    rig.close_rounds(3)
    assert rig.files("updates") == rig.updates_of(range(rig.chain.height - WINDOW + 1, rig.chain.height + 1))


def test_files_without_a_row_go_at_the_start(rig: Rig) -> None:
    rig.store.close()
    for name in ("updates", "models", "states"):
        (rig.folder / name / ("ab" * 32)).write_bytes(b"written, and then the power went")
    rig.store = rig.open()
    rig.store.remove_leftovers()
    assert not any(bytes.fromhex("ab" * 32) in rig.files(name) for name in ("updates", "models", "states"))


def test_a_window_made_smaller_is_swept_at_once_within_a_bound(tmp_path: Path) -> None:
    rig = Rig(tmp_path, window=100)
    rig.close_rounds(8)
    assert len(rig.files("updates")) == 16
    smaller = rig.chain.state.params.in_force
    changed = {name: getattr(smaller, name) for name in smaller.LAYOUT.names} | {
        "body_window": 2,
        "sequence": 1,
    }
    rig.chain.add([params_change(rig.chain.chain_id, type(smaller)(**changed))])
    rig.finish()
    assert len(rig.files("updates")) == 16
    rig.close_rounds(1)
    height = rig.chain.height
    assert rig.files("updates") == rig.updates_of(range(height - 1, height + 1))


def test_a_sweep_is_bounded_and_goes_on_with_the_next_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.adapters.retention.SWEEP_MAX", 9)
    rig = Rig(tmp_path)
    monkeypatch.setattr(rig.store.retention, "sweep", lambda *_: None)
    rig.close_rounds(9)
    monkeypatch.undo()
    monkeypatch.setattr("broker.adapters.retention.SWEEP_MAX", 9)
    counts, floors = [], []
    for _ in range(6):
        rig.close_rounds(1)
        counts.append(len(rig.files("updates")))
        floors.append(rig.store.retention.pruned_to)
    assert counts[0] > counts[-1] == 2 * WINDOW
    assert floors[0] == 0
    assert floors[-1] == rig.chain.height - WINDOW
