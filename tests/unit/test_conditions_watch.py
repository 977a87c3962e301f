"""How often the board is looked at."""

from __future__ import annotations

import threading

from edge_client.adapters.conditions.watch import IDLE_S, TRAINING_S, nap


class Waited(threading.Event):
    """Notes how long it was waited for, and does not wait."""

    def __init__(self, then: bool = False) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._then = then

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return self._then


def napped(*training: bool) -> list[float]:
    """The waits of one nap, when the trainer is found at work so at each question."""
    changed, answers = Waited(), list(training)
    nap(changed, lambda: answers.pop(0))
    assert not answers
    return changed.waits


def test_a_board_that_waits_is_looked_at_twice_a_minute() -> None:
    assert napped(False) == [IDLE_S]


def test_a_board_that_trains_is_looked_at_every_second() -> None:
    assert napped(True, True) == [TRAINING_S]


def test_training_that_is_over_brings_no_look_forward() -> None:
    assert napped(True, False, False) == [TRAINING_S, IDLE_S - TRAINING_S]


def test_whoever_hastens_it_is_heard_once() -> None:
    changed = Waited(then=True)
    changed.set()
    nap(changed, lambda: False)
    assert changed.waits == [IDLE_S]
    assert not changed.is_set()
