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


def test_the_pacer_publishes_at_once_after_an_interval_or_again_while_busy():
    pacer = SnapshotPacer(interval_ms=500, resend_ms=1_000)
    pacer.published(10_000)
    assert pacer.deadline(news=False, busy=False) is None
    assert pacer.deadline(news=False, busy=True) == 11_000
    assert pacer.deadline(news=True, busy=True) == 10_500
    pacer.note_news()
    assert pacer.deadline(news=False, busy=False) == 10_500
    pacer.force()
    assert pacer.deadline(news=False, busy=False) == 10_000
    pacer.published(10_100)
    assert pacer.deadline(news=False, busy=False) is None


@pytest.mark.parametrize(
    ("lost", "timeout_ms"), [(0, 2_000), (1, 4_000), (4, 32_000), (5, 60_000), (1024, 60_000)]
)
def test_the_timeout_doubles_to_its_cap(lost, timeout_ms):
    assert Timing().timeout_ms(lost) == timeout_ms
