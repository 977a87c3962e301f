"""Waiting times: what counts, what stands still, what is published when."""

from __future__ import annotations

import pytest

from broker.core.consensus.events import Timing
from broker.core.consensus.timers import SlotTimer, SnapshotPacer


def test_a_slot_timer_counts_only_while_it_runs():
    timer = SlotTimer()
    timer.run(True, 100)
    timer.run(True, 150)
    assert timer.elapsed_ms(160) == 60
    assert timer.reaches(200) == 300
    timer.run(False, 160)
    assert timer.elapsed_ms(900) == 60
    assert timer.reaches(200) is None
    timer.run(True, 1_000)
    assert timer.reaches(200) == 1_140


@pytest.mark.parametrize("running", [True, False])
def test_a_reset_keeps_it_running_or_frozen(running):
    timer = SlotTimer()
    timer.run(True, 0)
    timer.run(running, 50)
    timer.reset(70)
    assert timer.elapsed_ms(70) == 0
    assert timer.elapsed_ms(80) == (10 if running else 0)


def pacer() -> SnapshotPacer:
    one = SnapshotPacer(interval_ms=500, resend_ms=1_000)
    one.published(10_000)
    return one


def test_the_pacer_waits_for_the_earliest_wanted_moment():
    one = pacer()
    assert one.deadline(behind=False) is None
    one.want(10_800)
    one.want(10_900)
    assert one.deadline(behind=False) == 10_800
    one.want(10_400)
    assert one.deadline(behind=False) == 10_400
    one.published(10_400)
    assert one.deadline(behind=False) is None


def test_the_pacer_helps_a_peer_that_is_behind():
    one = pacer()
    assert one.deadline(behind=True) == 10_500
    one.want(90_500)
    assert one.deadline(behind=True) == 10_500


def test_the_pacer_repeats_while_busy():
    one = pacer()
    one.note_busy(True, 10_200)
    one.note_busy(True, 10_900)
    assert one.deadline(behind=False) == 11_200
    one.published(11_200)
    assert one.deadline(behind=False) == 12_200
    one.note_busy(False, 11_300)
    assert one.deadline(behind=False) is None


def test_work_after_a_long_silence_does_not_count_from_the_last_snapshot():
    one = pacer()
    one.note_busy(True, 90_000)
    assert one.deadline(behind=False) == 91_000


@pytest.mark.parametrize(
    ("lost", "timeout_ms"), [(0, 2_000), (1, 4_000), (4, 32_000), (5, 60_000), (1024, 60_000)]
)
def test_the_timeout_doubles_to_its_cap(lost, timeout_ms):
    assert Timing().timeout_ms(lost) == timeout_ms
