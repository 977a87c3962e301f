"""The device's SQLite and object files: everything comes back, and no power cut loses or doubles anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_client.adapters.device_database import DATABASE_FILE, MIGRATIONS
from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.outbox_store import HISTORY_MAX, PartKind
from edge_client.core.audit import Held, Proven, audit
from edge_client.core.conditions.prediction import Cost, Spent
from edge_client.core.events import Fate, PendingUpdate, SaveChain, SaveUpdate, SettleUpdate
from edge_client.core.verify import Invalid, LightRules
from edge_client.protocol import keys
from edge_client.protocol.errors import Reason
from edge_client.protocol.handoff import TrustedSet
from edge_client.protocol.votes import Quorum
from edge_client.reading import verify_disk
from edge_client.runtime.database import DatabaseError, open_database
from tests.builders import ChainMaker, make_genesis, make_params, make_update
from tests.device_world import NOW_MS, DeviceWorld, PowerCut
from tests.real_disk import RealDisk


def make_world(folder: Path, chain: ChainMaker | None = None, device: int = 0) -> DeviceWorld:
    chain = chain or ChainMaker(devices=3)
    return DeviceWorld(chain, device, RealDisk(folder / "state", chain.chain_id))


def real(world: DeviceWorld) -> RealDisk:
    assert isinstance(world.disk, RealDisk)
    return world.disk


def crash(world: DeviceWorld) -> None:
    """kill -9: the next process works on what is on the disk at this moment."""
    world.disk = real(world).crash()
    world.restart()


def wake(world: DeviceWorld) -> None:
    """Start again where the chain stands now."""
    world.link_up()
    world.answer()
    world.publish_head()
    world.answer()


def test_everything_saved_comes_back(tmp_path: Path) -> None:
    world = make_world(tmp_path).join()
    root = world.finish_training()
    stored = real(world).stored
    again = real(world).crash().stored
    assert again == stored
    assert stored.genesis == world.chain.genesis.encode()
    assert stored.head is not None
    assert stored.head.height == stored.tip.height == 1  # type: ignore[union-attr]
    assert stored.account is not None
    assert stored.account.index == world.account
    assert [one.head.update_root for one in stored.updates] == [root]
    assert stored.last_round == 1
    assert stored.updates[0].chunk_hashes == world.offers[0].chunk_hashes
    assert stored.objects >= {world.chain.chain_id, world.chain.genesis.graph_root, root}


def test_a_device_on_a_real_disk_lives_like_one_in_memory(tmp_path: Path) -> None:
    world = make_world(tmp_path).join()
    for round_number in range(1, 6):
        root = world.finish_training()
        world.acknowledge()
        world.chain.add([world.offers[-1].head], time_s=100 * round_number)
        world.publish_head()
        world.answer()
        assert world.disk.fates[root].fate == Fate.INCLUDED
        assert root not in world.disk.objects
        if round_number % 2:
            crash(world)
            wake(world)
    head = real(world).stored.head
    assert head is not None
    assert head.height == 6
    assert real(world).real.chain.header_count() == 6


class TestFourMoments:
    """The crash safety of the residual: before the saving, after it and before the sending, after
    the inclusion was seen and before it is settled, after the settling."""

    def test_before_the_update_is_saved(self, tmp_path: Path) -> None:
        world = make_world(tmp_path).join()
        world.effects_until_crash = 0
        with pytest.raises(PowerCut):
            world.finish_training()
        assert world.disk.updates == {}
        crash(world)
        wake(world)
        assert [order.round for order in world.orders] == [1, 1]
        assert world.disk.residual == []
        root = world.finish_training()
        assert [one for one, _ in world.disk.residual] == [b"residue of round" + bytes(15) + b"\x01"]
        assert list(world.disk.updates) == [root]

    def test_after_saving_and_before_sending(self, tmp_path: Path) -> None:
        world = make_world(tmp_path).join()
        world.effects_until_crash = 1
        with pytest.raises(PowerCut):
            world.finish_training()
        assert world.offers == []
        (root,) = world.disk.updates
        crash(world)
        wake(world)
        assert [order.round for order in world.orders] == [1]
        assert [offer.head.update_root for offer in world.offers] == [root]
        world.chain.add([world.offers[0].head], time_s=100)
        wake(world)
        assert world.disk.fates[root].fate == Fate.INCLUDED

    def test_after_the_inclusion_was_seen_and_before_it_is_settled(self, tmp_path: Path) -> None:
        world = make_world(tmp_path).join()
        root = world.finish_training()
        world.chain.add([world.offers[0].head], time_s=100)
        world.publish_head()
        world.effects_until_crash = 0
        with pytest.raises(PowerCut):
            world.answer()
        assert world.disk.fates == {}
        crash(world)
        wake(world)
        assert world.disk.fates[root].fate == Fate.INCLUDED
        assert root not in [one for one, _ in world.disk.residual]

    @pytest.mark.parametrize("refused", [True, False])
    def test_after_the_settling(self, tmp_path: Path, refused: bool) -> None:
        world = make_world(tmp_path).join()
        root = world.finish_training()
        if refused:
            world.give_receipts(root, [0, 1], Reason.OUT_OF_RANGE)
        else:
            world.chain.add([world.offers[0].head], time_s=100)
            world.publish_head()
        world.answer()
        before = (world.disk.fates[root].fate, world.disk.residual)
        crash(world)
        assert (world.disk.fates[root].fate, world.disk.residual) == before
        assert world.disk.stored.updates == ()
        wake(world)
        assert [one for one, _ in world.disk.residual].count(root) == (1 if refused else 0)
        assert (root in world.disk.objects) == refused


def saved(world: DeviceWorld) -> SaveUpdate:
    (effect,) = [one for one in world.effects if isinstance(one, SaveUpdate)]
    return effect


def test_settling_twice_gives_back_once(tmp_path: Path) -> None:
    world = make_world(tmp_path).join()
    root = world.finish_training()
    outbox = real(world).real.outbox
    outbox.settle(SettleUpdate(root, Fate.EXPIRED, Reason.EXPIRED, 5, 10))
    outbox.settle(SettleUpdate(root, Fate.EXPIRED, Reason.EXPIRED, 6, 11))
    outbox.settle(SettleUpdate(root, Fate.INCLUDED, None, 7, 12))
    parts = [part for part in outbox.residual() if part.root == root]
    assert [(part.kind, part.freed_round) for part in parts] == [(PartKind.UPDATE, 10)]
    assert real(world).real.objects.get(root) is not None


def test_saving_an_update_replaces_the_parts_it_used(tmp_path: Path) -> None:
    world = make_world(tmp_path).join()
    root = world.finish_training()
    outbox, objects = real(world).real.outbox, real(world).real.objects
    outbox.settle(SettleUpdate(root, Fate.REFUSED, Reason.OUT_OF_RANGE, 5, 2))
    first = saved(world)
    head = replace(first.update.head, round=2, update_root=bytes(32))
    residue = b"r" * 32
    objects.put(residue, b"new")
    outbox.save_update(SaveUpdate(replace(first.update, head=head), residue, (root, first.residue_root)))
    assert [(part.root, part.kind) for part in outbox.residual()] == [(residue, PartKind.RESIDUE)]
    assert objects.get(root) is None
    assert objects.get(residue) == b"new"


def test_the_lot_drawn_for_the_pause_after_a_round_is_kept_with_its_cost(tmp_path: Path) -> None:
    disk = DeviceDisk(tmp_path, bytes(32))
    update = make_update(ChainMaker(devices=1), 0)
    spent = Spent(NOW_MS, Cost(15, 1500, None, 1, 2), lot=7)
    disk.outbox.save_update(SaveUpdate(PendingUpdate(update.head, (bytes(32),)), bytes(32), (), spent))
    assert disk.costs(9) == (spent,)
    disk.close()


def test_a_residue_that_did_not_change_is_kept(tmp_path: Path) -> None:
    """Same bytes, same root: what is consumed and what is left may be one object."""
    world = make_world(tmp_path).join()
    world.finish_training()
    first = saved(world)
    outbox, objects = real(world).real.outbox, real(world).real.objects
    head = replace(first.update.head, round=2, update_root=bytes(32))
    outbox.save_update(
        SaveUpdate(replace(first.update, head=head), first.residue_root, (first.residue_root,))
    )
    assert [part.root for part in outbox.residual()] == [first.residue_root]
    assert objects.get(first.residue_root) is not None


def test_an_update_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    """An error half-way through the transaction leaves the old residual and no update."""
    world = make_world(tmp_path).join()
    world.finish_training()
    first = saved(world)
    disk = real(world).real
    before = disk.outbox.residual()
    with pytest.raises(Exception, match="UNIQUE"):
        disk.outbox.save_update(replace(first, residue_root=b"n" * 32, consumed=(first.residue_root,)))
    assert disk.outbox.residual() == before
    assert disk.objects.get(first.residue_root) is not None


def test_rubbish_of_a_crash_is_swept_and_what_counts_is_kept(tmp_path: Path) -> None:
    world = make_world(tmp_path).join()
    root = world.finish_training()
    objects = real(world).real.objects
    objects.put(b"o" * 32, b"nobody points here")
    keep = set(objects.roots()) - {b"o" * 32}
    assert real(world).stored.objects == keep
    assert set(objects.roots()) == keep
    assert root in keep


def test_readers_do_not_disturb_a_writer(tmp_path: Path) -> None:
    world = make_world(tmp_path).join()
    half_written = tmp_path / "state" / "objects" / f"{'ab' * 32}.1.new"
    half_written.write_bytes(b"half")
    reader = DeviceDisk(tmp_path / "state", world.chain.chain_id)
    assert reader.chain.head() == real(world).real.chain.head()
    world.finish_training()
    assert len(reader.outbox.pending()) == 1
    reader.close()
    assert half_written.exists()


def test_at_most_a_hundred_bytes_a_header(tmp_path: Path) -> None:
    world = make_world(tmp_path).join()
    chain, tip = real(world).real.chain, real(world).real.chain.tip()
    assert tip is not None
    size_before = database_bytes(world)
    for start in range(1, 10_001, 1000):
        linked = tuple(bytes([i % 251]) * 84 for i in range(start, start + 1000))
        chain.save_chain(
            SaveChain(linked, replace(tip, height=start + 1000), None, TrustedSet(0, world.chain.validators))
        )
    assert chain.header_count() == 10_001
    assert (database_bytes(world) - size_before) / 10_000 <= 100


def database_bytes(world: DeviceWorld) -> int:
    database = real(world).real._database
    database.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return (real(world).folder / "agent.db").stat().st_size


def test_an_old_inclusion_is_checked_after_a_long_sleep(tmp_path: Path) -> None:
    chain = ChainMaker(make_genesis(params=make_params(staleness_max=1)), devices=3)
    world = make_world(tmp_path, chain, 2).join()
    root = world.finish_training()
    chain.add([world.offers[0].head], time_s=100)
    for i in range(60):
        chain.add([], time_s=200 + i)
    crash(world)
    wake(world)
    assert world.disk.fates[root].fate == Fate.INCLUDED
    assert world.disk.fates[root].height == 2


class TestAudit:
    """`edge-client verify` finds any stored byte that is wrong."""

    @pytest.fixture
    def disk(self, tmp_path: Path) -> DeviceDisk:
        chain = ChainMaker(devices=2)
        world = make_world(tmp_path, chain).join()
        for i in range(6):
            chain.close_round([1], time_s=100 * (i + 1))
            world.publish_head()
            world.answer()
        return real(world).real

    def test_a_true_chain(self, disk: DeviceDisk) -> None:
        assert verify_disk(disk) == Proven(((1, 7),), 7, 3, 0, 0)

    def test_nothing_yet(self, tmp_path: Path) -> None:
        assert verify_disk(DeviceDisk(tmp_path / "new", bytes(32))) is None

    @pytest.mark.parametrize("height", range(1, 8))
    def test_a_changed_header(self, disk: DeviceDisk, height: int) -> None:
        (data,) = disk.chain.linked(height, height)
        for at in (0, 9, 14, 25, 60, 83):
            wrong = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            self.write(disk, height, wrong)
            assert isinstance(verify_disk(disk), Invalid), at
        self.write(disk, height, data)
        assert isinstance(verify_disk(disk), Proven)

    def write(self, disk: DeviceDisk, height: int, data: bytes) -> None:
        disk._database.conn.execute("UPDATE headers SET linked = ? WHERE height = ?", (data, height))

    @pytest.mark.parametrize("height", [1, 4, 7])
    def test_a_missing_header(self, disk: DeviceDisk, height: int) -> None:
        disk._database.conn.execute("DELETE FROM headers WHERE height = ?", (height,))
        assert isinstance(verify_disk(disk), Invalid)

    def test_a_head_with_other_leaves_or_signatures(self, disk: DeviceDisk) -> None:
        genesis, tip, head = disk.genesis(), disk.chain.tip(), disk.chain.head_block()
        assert genesis is not None
        assert tip is not None
        assert head is not None
        rules = LightRules(genesis.chain_id(), genesis.t0_s, keys.verify)
        for lie in (
            replace(head, app=replace(head.app, model_root=bytes(32))),
            replace(head, learning=replace(head.learning, theta=1)),
            replace(head, finality=replace(head.finality, quorum=Quorum(0b111, (bytes(64),) * 3))),
        ):
            assert isinstance(
                audit(rules, genesis.validators, Held(disk.chain.history(7), tip, lie, ()), NOW_MS), Invalid
            )


def test_what_a_device_can_prove_about_its_work_is_never_forgotten(tmp_path: Path) -> None:
    """Included updates outlive the history that `status` shows; refused ones do not."""
    world = make_world(tmp_path).join()
    root = world.finish_training()
    world.chain.add([world.offers[0].head], time_s=100)
    wake(world)
    outbox = real(world).real.outbox
    head = world.offers[0].head
    for number in range(2, HISTORY_MAX + 3):
        later = replace(head, round=number, update_root=number.to_bytes(32, "big"))
        outbox.save_update(SaveUpdate(PendingUpdate(later, (bytes(32),)), b"residue".ljust(32), ()))
        outbox.settle(SettleUpdate(later.update_root, Fate.REFUSED, Reason.STALE, 5, number + 1))
    assert root not in {row.head.update_root for row in outbox.history(HISTORY_MAX)}
    assert outbox.history(2 * HISTORY_MAX)[-1].head.update_root == root
    assert len(outbox.history(2 * HISTORY_MAX)) == HISTORY_MAX + 1
    found = outbox.included(root)
    assert found is not None
    assert (found.head, found.height) == (head, 2)
    assert found.proof.body_root_for(head) == world.chain.headers[1].body_root


def test_a_database_of_an_older_version_goes_on_without_proofs(tmp_path: Path) -> None:
    old = open_database(tmp_path / DATABASE_FILE, MIGRATIONS[:1])
    row = (b"r" * 32, 1, make_update(ChainMaker(devices=1), 0).head.encode(), b"", "included", 2)
    query = "INSERT INTO updates (root, round, head, chunk_hashes, fate, settled_height) VALUES (?,?,?,?,?,?)"
    old.conn.execute(query, row)
    old.conn.commit()
    old.close()
    disk = DeviceDisk(tmp_path, bytes(32))
    assert disk.outbox.last_round() == 1
    assert disk.outbox.included(b"r" * 32) is None
    assert disk.chain.account_leaves() is None
    disk.close()


def test_the_folder_of_a_device_on_another_chain_is_refused_and_left_alone(tmp_path: Path) -> None:
    DeviceDisk(tmp_path, bytes(32)).close()
    with pytest.raises(DatabaseError, match="put the old join string back, or make a device for this chain"):
        DeviceDisk(tmp_path, bytes([1]) * 32)
    DeviceDisk(tmp_path, bytes(32)).close()
