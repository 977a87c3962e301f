"""What devices did, counted."""

from __future__ import annotations

from firmware_profiles.report.tally import Tally


def a_tally(*made: tuple[int, int]) -> Tally:
    tally = Tally(0, 1)
    for device, round_number in made:
        tally.made(device, round_number)
    return tally


def test_who_trained_is_known_for_each_round() -> None:
    assert a_tally((7, 1), (3, 1), (3, 3)).who(100) == ((3, 7), (), (3,))
    assert a_tally().who(100) == ()


def test_who_trained_is_bounded() -> None:
    tally = a_tally((1, 1), (2, 1), (1, 2), (1, 3), (2, 3))
    assert tally.who(5) == ((1, 2), (1,), (1, 2))
    assert tally.who(4) == ((1, 2), (1,))
    assert tally.who(1) == ()


def test_processes_add_up() -> None:
    tally = a_tally((1, 1))
    tally.add(a_tally((0, 1), (0, 2)))
    assert tally.who(100) == ((0, 1), (0,))
