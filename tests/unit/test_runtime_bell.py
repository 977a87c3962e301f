from __future__ import annotations

import os
import signal
import threading
from contextlib import closing

from edge_client.runtime.bell import Bell

LONG_S = 60.0


def test_rung_before_or_during_the_wait_it_ends_it() -> None:
    with closing(Bell()) as bell:
        bell.ring()
        bell.wait(LONG_S)
        threading.Timer(0.02, bell.ring).start()
        bell.wait(LONG_S)


def test_any_number_of_rings_blocks_nobody_and_counts_as_few() -> None:
    with closing(Bell()) as bell:
        rings = 5_000  # more than the system keeps for a socket that nobody reads
        for _ in range(rings):
            bell.ring()
        waits = 0
        while bell.wait(0):
            waits += 1
        assert 1 <= waits < rings / 10


def test_a_signal_rings_it_before_its_handler_runs() -> None:
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    try:
        with closing(Bell()) as bell:
            with bell.rung_by_signals():
                os.kill(os.getpid(), signal.SIGTERM)
                assert bell.wait(LONG_S)
            os.kill(os.getpid(), signal.SIGTERM)
            assert not bell.wait(0)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_may_wait_although_signals_are_not_its_own() -> None:
    with closing(Bell()) as bell:
        heard: list[bool] = []

        def wait() -> None:
            with bell.rung_by_signals():
                heard.append(bell.wait(LONG_S))

        thread = threading.Thread(target=wait)
        thread.start()
        bell.ring()
        thread.join(LONG_S)
        assert heard == [True]
