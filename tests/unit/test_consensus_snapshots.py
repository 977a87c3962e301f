"""Snapshots of many open slots: each fits a packet, and a few of them show everything."""

from __future__ import annotations

import pytest

from broker.core.consensus.justification import SKIPPED_SLOTS_MAX
from broker.core.consensus.snapshots import SnapshotMaker, is_whole
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.votes import SNAPSHOT_BYTES_MAX, Certificate, Snapshot, Vote
from tests.simulation.consensus_parts import Committee
from tests.simulation.consensus_solo import FOUR


def test_what_fits_is_shown_whole_the_fc_first() -> None:
    final = FOUR.fc(FOUR.header(1))
    votes = (FOUR.z(3, 0), FOUR.n(FOUR.header(4), 0))
    snapshot = SnapshotMaker().make(votes, (final, FOUR.zc(2), FOUR.zc(3)))
    assert snapshot == Snapshot(votes, (final, FOUR.zc(2), FOUR.zc(3)))
    assert is_whole(snapshot)


@pytest.mark.parametrize(("count", "snapshots"), [(4, 8), (16, 22)])
def test_as_many_slots_as_may_ever_be_open_are_shown_in_turn(count: int, snapshots: int) -> None:
    committee, maker = Committee(count), SnapshotMaker()
    final = committee.fc(committee.header(1))
    last = SKIPPED_SLOTS_MAX + 1
    certificates = [final, *(committee.zc(slot) for slot in range(2, last + 1))]
    votes = [committee.n(committee.header(slot), 0) for slot in range(2, last + 1)]
    shown: set[Vote | Certificate] = set()
    for _ in range(snapshots):
        snapshot = maker.make(votes, certificates)
        assert len(snapshot.encode()) <= SNAPSHOT_BYTES_MAX
        assert Snapshot.decode(snapshot.encode()) == snapshot
        assert snapshot.certificates[0] == final
        assert snapshot.certificates[-1].subject.slot == last
        assert not is_whole(snapshot)
        shown.update(snapshot.votes, snapshot.certificates)
    assert shown == {*votes, *certificates}


def test_a_larger_one_is_refused() -> None:
    large = Snapshot(tuple(FOUR.z(slot, 0) for slot in range(1, 1_000)), ())
    with pytest.raises(DecodeError):
        Snapshot.decode(large.encode())
