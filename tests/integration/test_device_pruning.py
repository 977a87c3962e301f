"""`edge-client prune`: headers go, own proofs stay, also beside a running device and after a power cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.core.audit import Proven
from edge_client.core.light_client import JUMP_HEADERS_MIN
from edge_client.protocol import keys
from edge_client.protocol.proof_checks import Anchor, check_proof
from edge_client.protocol.proof_checks import Proven as Shown
from edge_client.protocol.proofs import ProofFile
from edge_client.proving import CannotProveError, prove_balance, prove_model, prove_update
from edge_client.pruning import CannotPruneError, Pruned, prune
from edge_client.reading import verify_disk
from tests.builders import ChainMaker, make_genesis
from tests.device_world import DeviceWorld
from tests.real_disk import RealDisk

T0_S = 1_700_000_000


@pytest.fixture
def world(tmp_path: Path) -> DeviceWorld:
    """Its updates stand in blocks 2 and 5, and 13 blocks in all."""
    chain = ChainMaker(make_genesis(t0_s=T0_S), devices=1)
    world = DeviceWorld(chain, disk=RealDisk(tmp_path / "state", chain.chain_id))
    world.now_ms = (T0_S + 3600) * 1000
    world.join()
    for _ in range(2):
        world.finish_training()
        chain.add([world.offers[-1].head], time_s=100 * (chain.height + 1))
        follow(world)
        live(world, 2)
    live(world, 13 - chain.height)
    return world


def follow(world: DeviceWorld) -> None:
    world.publish_head()
    world.answer()


def live(world: DeviceWorld, blocks: int) -> None:
    for _ in range(blocks):
        world.chain.add()
        follow(world)


def disk(world: DeviceWorld) -> DeviceDisk:
    assert isinstance(world.disk, RealDisk)
    return world.disk.real


def roots(world: DeviceWorld) -> list[bytes]:
    return [update.update_root for body in world.chain.bodies for update in body.updates]


def holds(world: DeviceWorld, proof: ProofFile) -> bool:
    verdict = check_proof(ProofFile.decode(proof.encode()), Anchor(world.chain.chain_id), keys.verify)
    return isinstance(verdict, Shown)


def check_all(world: DeviceWorld) -> None:
    held = disk(world)
    assert len(roots(world)) == 2
    for root in roots(world):
        assert holds(world, prove_update(held, root))
    assert holds(world, prove_balance(held))
    assert holds(world, prove_model(held))


@pytest.mark.parametrize("keep", [1, 4, 5, 6, 7, 10])
def test_what_is_its_own_stays_provable(world: DeviceWorld, keep: int) -> None:
    pruned = prune(disk(world), keep)
    assert isinstance(pruned, Pruned)
    assert pruned.first == 13 - keep + 1
    assert pruned.dropped == 13 - keep
    check_all(world)
    proven = verify_disk(disk(world))
    assert isinstance(proven, Proven)
    assert (proven.linked, proven.shown) == (((pruned.first, 13),), pruned.shown)
    assert {2, 5} & set(range(pruned.first)) <= set(pruned.shown)


def test_again_and_again_beside_a_running_device(world: DeviceWorld) -> None:
    prune(disk(world), 7)
    live(world, 3)
    prune(disk(world), 2)
    check_all(world)
    live(world, 3)
    check_all(world)
    world.restart()
    world.link_up()
    live(world, 1)
    check_all(world)


def test_a_gap_that_was_jumped_is_swallowed(world: DeviceWorld) -> None:
    world.link_lost()
    for _ in range(JUMP_HEADERS_MIN + 2):
        world.chain.add()
    world.link_up()
    world.answer()
    check_all(world)
    live(world, 2)
    pruned = prune(disk(world), 10)
    assert pruned is not None
    assert pruned.first == 13 + JUMP_HEADERS_MIN + 2, "the header that was jumped to"
    check_all(world)
    assert isinstance(verify_disk(disk(world)), Proven)


def test_nothing_to_drop(world: DeviceWorld) -> None:
    assert prune(disk(world), 13) is None
    prune(disk(world), 5)
    assert prune(disk(world), 5) is None


def test_a_checkpoint_stays_and_another_header_does_not(world: DeviceWorld) -> None:
    prune(disk(world), 3, [4, 99])
    assert holds(world, prove_model(disk(world), 4))
    with pytest.raises(CannotProveError, match="header 7 is not stored"):
        prove_model(disk(world), 7)


def test_a_chain_that_does_not_hold_is_left_alone(world: DeviceWorld) -> None:
    held = disk(world)
    tip = held.chain.tip()
    assert tip is not None
    (linked,) = held.chain.linked(3, 3)
    with held.transaction() as database:
        database.conn.execute("UPDATE headers SET linked = ? WHERE height = 3", (linked[:-1] + b"!",))
    with pytest.raises(CannotPruneError, match="does not hold"):
        prune(held, 5)
    assert held.chain.header_count() == 13


def test_a_power_cut_drops_nothing(world: DeviceWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    held = disk(world)
    seen = []

    def cut(*_: object) -> set[int]:
        seen.append(held.chain.header_count())
        if len(seen) > 1:
            raise SystemExit
        return {2, 5}

    monkeypatch.setattr(held, "own_heights", cut)
    with pytest.raises(SystemExit):
        prune(held, 5)
    assert seen == [13, 5]
    assert held.chain.header_count() == 13
    monkeypatch.undo()
    check_all(world)
