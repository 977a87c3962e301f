"""The closed forms of the twin's board against the same models taken in small steps."""

from __future__ import annotations

from itertools import pairwise
from math import exp, inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.profiles.board import Thermal, Trip
from firmware_profiles.profiles.figure import Figure, Provenance, Unit
from firmware_profiles.twin.charge import MAINS, NOTHING, Charge, Steady, Store
from firmware_profiles.twin.heat import Heat, Load
from firmware_profiles.twin.presence import DAY_S, Pattern, Stays
from firmware_profiles.twin.sun import Sky, Sun

BOARDS = sorted(read_catalogue().boards.items())
GOLDEN = 0.6180339887498949
SKY = Sky(48.0, 172, 0.7, 0.2, 0.3, 0.6)


few = settings(max_examples=25)
"""Each case walks in small steps; the fast suite has other tests, too."""


def thermal(resistance: float, trips: tuple[tuple[float, float], ...]) -> Thermal:
    def figure(value: float, unit: Unit) -> Figure:
        return Figure(value, value, unit, Provenance.ESTIMATED, "a test")

    points = tuple(Trip(figure(at, Unit.CELSIUS), figure(speed, Unit.SHARE)) for at, speed in trips)
    return Thermal(
        figure(25, Unit.CELSIUS), figure(resistance, Unit.KELVIN_PER_WATT), figure(100, Unit.SECOND), points
    )


def stepped(model: Thermal, temperature_c: float, load: Load, seconds: int) -> list[float]:
    """Temperatures each second, by a governor that slows down while it is too hot, in steps of a tenth."""
    heat, kept = Heat(model), []
    for tenth in range(seconds * 10):
        if tenth % 10 == 0:
            kept.append(temperature_c)
        speed = min([1.0, *(trip.speed.typical for trip in model.trips if temperature_c > trip.at.typical)])
        to_c = heat.settles_c(load.watts(speed))
        temperature_c = to_c + (temperature_c - to_c) * exp(-0.1 / 100)
    return kept


@few
@given(
    st.floats(2, 25), st.floats(20, 110), st.floats(0.3, 5), st.floats(0, 8),
    st.sampled_from([(), ((60.0, 0.8),), ((60.0, 0.85), (80.0, 0.4))]),
)  # fmt: skip
def test_temperature_is_that_of_small_steps(
    resistance: float, start_c: float, base_w: float, busy_w: float, trips: tuple[tuple[float, float], ...]
) -> None:
    model, load = thermal(resistance, trips), Load(base_w, busy_w)
    course = Heat(model).course(start_c, load)
    stepwise = stepped(model, start_c, load, 150)
    for second in range(0, 150, 15):
        assert course.temperature_c(second) == pytest.approx(stepwise[second], abs=0.3)


@few
@given(st.sampled_from(BOARDS), st.floats(20, 105), st.floats(30, 100))
def test_a_crossing_is_where_the_temperature_is_the_threshold(
    named: tuple[str, object], start_c: float, threshold_c: float
) -> None:
    board = dict(BOARDS)[named[0]]
    load = Load(board.power.idle.typical, board.power.load.typical - board.power.idle.typical)
    course = Heat(board.thermal).course(start_c, load)
    found_s = course.crosses_s(threshold_c)
    if found_s == inf:
        ends = sorted((start_c, course.temperature_c(1e7)))
        assert not ends[0] + 1e-6 < threshold_c < ends[1] - 1e-6
    else:
        assert course.temperature_c(found_s) == pytest.approx(threshold_c, abs=1e-6)
        assert course.temperature_c(found_s / 2) != pytest.approx(threshold_c, abs=1e-12)
    speeds = [phase.speed for phase in course.phases]
    assert all(board.thermal.trips[-1].speed.typical <= speed <= 1 for speed in speeds)
    assert all(one.start_s < after.start_s for one, after in pairwise(course.phases))


@few
@given(st.floats(-60, 60), st.integers(1, 365), st.lists(st.floats(0, 0.99), min_size=4, max_size=4),
       st.floats(0, 3e5), st.floats(0, 4e4))  # fmt: skip
def test_energy_of_the_sun_is_the_integral_of_its_watts(
    latitude: float, day: int, draws: list[float], from_s: float, span_s: float
) -> None:
    sun = Sun(Sky(latitude, day, 0.7, 0.2, 0.3, 0.6), 10.0, lambda n: draws[n])
    steps = 100
    width_s = span_s / steps
    summed = sum(sun.watts(from_s + (one + 0.5) * width_s) * width_s for one in range(steps))
    assert sun.energy_j(from_s, from_s + span_s) == pytest.approx(summed, abs=1 + 5e-3 * span_s)
    for turn_s in sun.turns_s(from_s, from_s + span_s, 1.0):
        assert sun.watts(turn_s) == pytest.approx(1.0, abs=1e-6)


@few
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 6), st.floats(0, 86_000), st.booleans())
def test_charge_is_that_of_small_steps_and_crossings_are_exact(
    share: float, threshold: float, load_w: float, from_s: float, sunny: bool
) -> None:
    store = Store(20_000.0, 5.0, 0.9)
    supply = Sun(SKY, 12.0, lambda n: n * 0.31 % 1) if sunny else Steady(3.0)
    stepwise, exact, whole = Charge(store, share), Charge(store, share), Charge(store, share)
    until_s = from_s + 30_000
    found_s = exact.crosses_s([threshold], (from_s, until_s), load_w, supply)
    for step in range(300):
        stepwise.advance(from_s + step * 100, from_s + (step + 1) * 100, load_w, supply)
    whole.advance(from_s, until_s, load_w, supply)
    assert whole.level_j == pytest.approx(stepwise.level_j, abs=0.01)
    if found_s < inf:
        exact.advance(from_s, found_s, load_w, supply)
        assert exact.share == pytest.approx(threshold, abs=1e-6)
    both_s = Charge(store, share).crosses_s([threshold, 0.5], (from_s, until_s), load_w, supply)
    half_s = Charge(store, share).crosses_s([0.5], (from_s, until_s), load_w, supply)
    assert both_s == pytest.approx(min(found_s, half_s), abs=1e-3)


def test_charge_stops_at_full_and_at_empty() -> None:
    charge = Charge(Store(1000.0, 5.0, 0.9), 0.5)
    assert charge.crosses_s([1.0], (0, 1e5), 2.0, MAINS) == pytest.approx(500 / 4.5, abs=1e-3)
    assert charge.crosses_s([0.0], (0, 1e5), 2.0, NOTHING) == pytest.approx(250, abs=1e-3)
    charge.advance(0, 1e5, 2.0, MAINS)
    assert charge.share == 1
    charge.advance(0, 1e5, 2.0, NOTHING)
    assert charge.share == 0
    assert charge.crosses_s([0.0], (0, 1e5), 2.0, NOTHING) == inf


@few
@given(st.floats(0, 1), st.floats(0, 2e5))
def test_a_pattern_is_the_same_however_it_is_asked(first: float, start_s: float) -> None:
    stays = Stays(3600, 7200, 14_400, 1800, 22 * 3600, 6 * 3600)
    seldom, often = (Pattern(stays, lambda n: (first + n * GOLDEN) % 1, start_s) for _ in range(2))
    seldom.advance(start_s + DAY_S)
    for hour in range(25):
        often.advance(start_s + hour * 3600)
    assert (seldom.on, seldom.next_s) == (often.on, often.next_s)
    assert seldom.next_s > start_s + DAY_S


def test_stays_have_their_means_by_day_and_by_night() -> None:
    stays = Stays(600, 1200, 3000, 300, 22 * 3600, 6 * 3600)
    pattern = Pattern(stays, lambda n: (n + 1) * GOLDEN % 1)
    on_s = {True: 0.0, False: 0.0}
    whole_s = {True: 0.0, False: 0.0}
    for minute in range(0, 40 * 24 * 60, 3):
        pattern.advance(minute * 60)
        night = stays.is_night(minute * 60 % DAY_S)
        whole_s[night] += 180
        on_s[night] += 180 * pattern.on
    for night in (True, False):
        assert on_s[night] / whole_s[night] == pytest.approx(stays.share_on(night=night), abs=0.03)


def test_time_goes_on_whatever_is_drawn() -> None:
    stays = Stays(60, 60, 60, 60, 22 * 3600, 6 * 3600)
    pattern = Pattern(stays, lambda n: 1.0 if n % 7 == 0 else 0.0, 3599.9999999)
    pattern.advance(5000)
    assert 5000 < pattern.next_s < inf
