"""How often the board is looked at."""

from __future__ import annotations

import threading

from edge_client.adapters.conditions.watch import IDLE_S, TRAINING_S, nap


class Waited(threading.Event):
    """Notes how long it was waited for, and does not wait; is set during the first so many waits."""

    def __init__(self, sets: int = 0) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._sets = sets

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        if len(self.waits) <= self._sets:
            self.set()
        return self.is_set()


def napped(*training: bool, sets: int = 0, hurried: bool = False) -> list[float]:
    """The waits of one nap, when the trainer is found at work so at each question."""
    changed, answers = Waited(sets), list(training)
    nap(changed, lambda: answers.pop(0), lambda: hurried)
    assert not answers
    assert not changed.is_set()
    return changed.waits


def test_a_board_that_waits_is_looked_at_twice_a_minute() -> None:
    assert napped(False) == [IDLE_S]


def test_a_board_that_trains_is_looked_at_every_second() -> None:
    assert napped(True, True) == [TRAINING_S]


def test_training_that_is_over_brings_no_look_forward() -> None:
    assert napped(True, False, False) == [TRAINING_S, IDLE_S - TRAINING_S]


def test_training_that_begins_is_looked_at_in_a_second() -> None:
    assert napped(False, True, True, sets=1) == [IDLE_S, TRAINING_S]


def test_and_at_once_where_it_is_known_what_the_board_takes() -> None:
    assert napped(False, sets=1, hurried=True) == [IDLE_S]
