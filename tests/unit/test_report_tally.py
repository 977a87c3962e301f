"""What devices did, counted."""

from __future__ import annotations

from firmware_profiles.report.tally import POINTS_MAX, Points, Tally


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


def test_of_points_that_look_alike_the_first_and_the_last_stay() -> None:
    """Without the last one a plot shows a slope where nothing changed, and a line that ends too early."""
    points = Points("one", "raspberry-pi-4b")
    for at_ms, temperature_c in ((0, 40.0), (1, 40.01), (2, 40.02), (9, 40.0), (10, 45.0), (11, 45.0)):
        points.add(at_ms, None, temperature_c, "idle")
    assert [(one[0], one[2]) for one in points.points] == [(0, 40.0), (9, 40.0), (10, 45.0), (11, 45.0)]


def test_points_are_bounded() -> None:
    points = Points("one", "raspberry-pi-4b")
    for at_ms in range(3 * POINTS_MAX):
        points.add(at_ms, None, at_ms, "idle")
    assert len(points.points) <= POINTS_MAX
