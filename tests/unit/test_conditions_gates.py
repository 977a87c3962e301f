"""Each gate at its edge, with its memory, and for readings that nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from edge_client.core.conditions.gates import ALL, Asked, Verdict, verdicts
from edge_client.core.conditions.limits import GATES, Limits
from edge_client.core.conditions.prediction import (
    LOTS,
    NOT_COUNTED,
    Budget,
    Calibration,
    Cost,
    Prediction,
    Spent,
    predict,
    steps_that_fit,
)
from edge_client.core.conditions.readings import NEVER, Conditions, Unknown
from edge_client.core.conditions.scheduler import READ_AGE_MS_MAX, Scheduler, Trend

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
FINE = Conditions(
    mains=True,
    temperature_c=40.0,
    throttled_bits=0,
    cpu_pressure_pct=1.0,
    memory_pressure_pct=0.0,
    memory_free_pct=60.0,
    io_pressure_pct=0.0,
    link="ethernet",
    metered=False,
    month_bytes=0,
    disk_free_pct=50.0,
    disk_used_bytes=1_000_000,
    time_synced=True,
    local_minute=600,
)
BATTERY = {"has_battery": True, "mains": False}
ON_BATTERY = {"require_mains": False}


def verdict(
    gate: str, seen: Mapping[str, object], limits: Mapping[str, object] | None = None, **asked: Any
) -> Verdict:
    closed = asked.pop("closed", False)
    question = Asked(
        replace(FINE, **dict[str, Any](seen)),
        Limits(**dict[str, Any](limits or {})),
        asked.pop("prediction", None),
        NOW_MS,
        asked.pop("training", False),
        rounds_ended_ms=asked.pop("rounds_ended_ms", ()),
        lots=asked.pop("lots", ()),
    )
    found = verdicts(question, frozenset({gate} if closed else ()))
    return next(one for one in found if one.gate == gate)


def test_a_fine_board_may_work_and_every_gate_has_its_name() -> None:
    asked = Asked(FINE, Limits(), None, NOW_MS, False, False)
    assert [gate(asked).gate for gate in ALL] == list(GATES)
    assert all(one.open for one in verdicts(asked, frozenset()))


@pytest.mark.parametrize(
    ("gate", "seen", "limits", "is_open"),
    [
        ("owner", {}, {"enabled": False}, False),
        ("owner", {"paused_until_ms": NOW_MS}, {}, True),
        ("owner", {"paused_until_ms": NOW_MS + 1}, {}, False),
        ("hours", {"local_minute": 59}, {"hours": "night"}, False),
        ("hours", {"local_minute": 60}, {"hours": "night"}, True),
        ("hours", {"local_minute": 359}, {"hours": "night"}, True),
        ("hours", {"local_minute": 360}, {"hours": "night"}, False),
        ("hours", {"local_minute": 10}, {"hours": "22:00-06:00"}, True),
        ("hours", {"local_minute": 1320}, {"hours": "22:00-06:00"}, True),
        ("hours", {"local_minute": 400}, {"hours": "22:00-06:00"}, False),
        ("hours", {"local_minute": 100, "time_synced": False}, {"hours": "night"}, False),
        ("hours", {"local_minute": 100, "time_synced": Unknown("x")}, {"hours": "night"}, True),
        ("hours", {"local_minute": Unknown("x")}, {"hours": "night"}, False),
        ("hours", {"local_minute": Unknown("x")}, {}, True),
        ("power", {"mains": Unknown("x")}, {}, True),
        ("power", BATTERY | {"battery_pct": 100.0}, {}, False),
        ("power", {"has_battery": True, "mains": True, "battery_pct": 45.0}, {}, True),
        ("power", {"has_battery": True, "mains": True, "battery_pct": 44.9}, {}, False),
        ("power", {"has_battery": True, "mains": True, "battery_pct": Unknown("x")}, {}, True),
        (
            "power",
            {"has_battery": True, "mains": True, "battery_pct": 95.0},
            {"battery_stop_pct": 100, "battery_start_pct": 100},
            True,
        ),
        ("power", {"has_battery": True, "mains": Unknown("x"), "battery_pct": 100.0}, {}, False),
        ("power", BATTERY | {"battery_pct": 60.0}, ON_BATTERY, True),
        ("power", BATTERY | {"battery_pct": 59.9}, ON_BATTERY, False),
        ("power", BATTERY | {"battery_pct": Unknown("x")}, ON_BATTERY, False),
        ("temperature", {"temperature_c": 75.0}, {}, True),
        ("temperature", {"temperature_c": 75.1}, {}, False),
        ("temperature", {"temperature_c": 66.0, "trip_c": 75.0}, {}, False),
        ("temperature", {"temperature_c": 65.0, "trip_c": 75.0}, {}, True),
        ("temperature", {"temperature_c": Unknown("x")}, {}, True),
        ("throttling", {"throttled_bits": 0x1}, {}, False),
        ("throttling", {"throttled_bits": 0x2}, {}, True),
        ("throttling", {"throttled_bits": 0x4}, {}, False),
        ("throttling", {"throttled_bits": 0x8}, {}, False),
        ("throttling", {"throttled_bits": 0xF0000}, {}, True),
        ("throttling", {"throttled_bits": Unknown("x")}, {}, True),
        ("link", {"metered": True}, {}, False),
        ("link", {"metered": True}, {"metered": True}, True),
        ("link", {"metered": Unknown("x")}, {}, True),
        ("data", {"month_bytes": 500_000_000}, {}, True),
        ("data", {"month_bytes": 500_000_001}, {}, False),
        ("data", {"month_bytes": 1, "metered": True}, {"metered": True}, False),
        ("data", {"month_bytes": 1, "metered": True}, {"metered": True, "data_cap_metered_mb": 5}, True),
        ("data", {"month_bytes": Unknown("x")}, {}, False),
        ("cpu", {"cpu_pressure_pct": 60.1}, {}, False),
        ("cpu", {"cpu_pressure_pct": Unknown("x")}, {}, True),
        ("memory", {"memory_pressure_pct": 20.1}, {}, False),
        ("memory", {"memory_free_pct": 9.9}, {}, False),
        ("memory", {"memory_pressure_pct": Unknown("x"), "memory_free_pct": Unknown("x")}, {}, True),
        ("io", {"io_pressure_pct": 60.1}, {}, False),
        ("disk", {"disk_free_pct": 9.9}, {}, False),
        ("disk", {"disk_used_bytes": 500_000_001}, {}, False),
        ("disk", {"disk_free_pct": Unknown("x")}, {}, False),
        ("cpu", {"cpu_pressure_pct": 99.0}, {"ignore": ("cpu",)}, True),
    ],
)
def test_gates_at_their_edges(
    gate: str, seen: dict[str, object], limits: dict[str, object], is_open: bool
) -> None:
    assert verdict(gate, seen, limits).open == is_open


@pytest.mark.parametrize(
    ("gate", "seen", "limits", "never_closed", "closed"),
    [
        ("temperature", {"temperature_c": 72.0}, {}, True, False),
        ("temperature", {"temperature_c": 70.0}, {}, True, True),
        ("cpu", {"cpu_pressure_pct": 31.0}, {}, True, False),
        ("io", {"io_pressure_pct": 30.0}, {}, True, True),
    ],
)
def test_a_closed_gate_opens_lower_than_it_closed(
    gate: str, seen: dict[str, object], limits: dict[str, object], never_closed: bool, closed: bool
) -> None:
    assert verdict(gate, seen, limits).open == never_closed
    assert verdict(gate, seen, limits, closed=True).open == closed


def test_a_battery_that_was_enough_to_start_is_enough_until_the_floor() -> None:
    for charge, is_open in ((40.0, True), (39.9, False)):
        assert verdict("power", BATTERY | {"battery_pct": charge}, ON_BATTERY, training=True).open == is_open


def test_the_floor_holds_on_mains_too_for_a_panel_may_feed_less_than_training_takes() -> None:
    for charge, is_open in ((40.0, True), (39.9, False)):
        seen = BATTERY | {"mains": True, "battery_pct": charge}
        assert verdict("power", seen, ON_BATTERY, training=True).open == is_open


def test_the_round_to_come_must_leave_the_floor() -> None:
    """A round of 5 Wh is a quarter of this battery: 40 + 25."""
    costly = Prediction(1.0, 18_000_000 / 100, 100, 0, 0)
    seen = BATTERY | {"battery_wh": 20.0}
    for charge, is_open in ((65.0, True), (64.0, False)):
        found = verdict("power", seen | {"battery_pct": charge}, ON_BATTERY, prediction=costly)
        assert found.open == is_open


def test_the_round_to_come_must_fit_under_the_data_cap() -> None:
    heavy = Prediction(1.0, None, 1, 2e6, 8e6)
    assert verdict("data", {"month_bytes": 490_000_000}, prediction=heavy).open
    assert not verdict("data", {"month_bytes": 490_000_001}, prediction=heavy).open
    assert verdict("data", {"month_bytes": 490_000_001}, prediction=heavy, training=True).open


@pytest.mark.parametrize(
    ("ended", "training", "is_open"),
    [
        ((), False, True),
        ((NOW_MS - 5,), False, False),
        ((NOW_MS - 5,), True, True),
        ((NOW_MS - 3 * HOUR_MS // 2 + 1,), False, False),
        ((NOW_MS - 9 * HOUR_MS // 2,), False, True),
        ((NOW_MS + 1,), False, True),  # written while the clock was ahead
        ((NOW_MS - 5, NOW_MS + 1), False, False),
    ],
)
def test_the_rounds_of_a_day_are_spread_over_it(
    ended: tuple[int, ...], training: bool, is_open: bool
) -> None:
    assert verdict("rounds", {}, rounds_ended_ms=ended, training=training).open == is_open


def test_pauses_are_drawn_around_their_mean_so_that_boards_do_not_stay_in_step() -> None:
    pauses_h = []
    for lot in range(0, LOTS, LOTS // 256):
        found = verdict("rounds", {}, rounds_ended_ms=(NOW_MS - HOUR_MS,), lots=(lot,)).forecast_ms
        assert found is not None
        pauses_h.append((found - NOW_MS + HOUR_MS) / HOUR_MS)
    assert pauses_h == sorted(pauses_h)
    assert min(pauses_h) == 1.5
    assert 4.4 < max(pauses_h) < 4.5
    assert sum(pauses_h) / len(pauses_h) == pytest.approx(3, abs=0.1)


def test_the_pause_does_not_depend_on_the_very_moment_a_round_ended() -> None:
    """Two rehearsals of one seed, or a board that is a second late, keep to the same rounds."""
    for late_ms in (0, 1, 900):
        found = verdict(
            "rounds", {}, rounds_ended_ms=(NOW_MS - HOUR_MS + late_ms,), lots=(LOTS // 4,)
        ).forecast_ms
        assert found == NOW_MS - HOUR_MS + late_ms + 3 * HOUR_MS * 3 // 4


@pytest.mark.parametrize(
    ("minutes_ago", "is_open"),
    [((), True), ((80, 1), True), ((270, 100, 1), True), ((80, 60, 1), False), ((1, 60, 80), False)],
)
def test_rounds_may_come_in_clumps_within_an_eighth_of_the_day(
    minutes_ago: tuple[int, ...], is_open: bool
) -> None:
    ended = tuple(NOW_MS - 60_000 * one for one in minutes_ago)
    assert verdict("rounds", {}, {"rounds_a_day": 24}, rounds_ended_ms=ended).open is is_open


def test_a_day_has_no_more_rounds_than_the_owner_allows() -> None:
    ended = tuple(NOW_MS - (23 - 2 * one) * HOUR_MS for one in range(8))
    assert verdict("rounds", {}, rounds_ended_ms=ended).forecast_ms == NOW_MS + HOUR_MS
    assert verdict("rounds", {}, rounds_ended_ms=ended[1:]).open


def test_forecasts() -> None:
    assert verdict("owner", {"paused_until_ms": NOW_MS + 9}).forecast_ms == NOW_MS + 9
    assert verdict("owner", {"paused_until_ms": NEVER}).forecast_ms is None
    assert verdict("hours", {"local_minute": 1439}, {"hours": "night"}).forecast_ms == NOW_MS + 61 * 60_000
    assert verdict("data", {"month_bytes": 10**9, "month_ends_ms": NOW_MS + 7}).forecast_ms == NOW_MS + 7
    trend = Trend()
    trend.add(90.0, NOW_MS)
    assert trend.reaches(70, NOW_MS) is None
    trend.add(85.0, NOW_MS + 60_000)
    assert trend.reaches(70, NOW_MS + 60_000) == NOW_MS + 240_000
    assert trend.reaches(95, NOW_MS) is None


def test_the_rounds_of_a_night_are_spread_over_the_night() -> None:
    ended = (NOW_MS - HOUR_MS // 2,)
    for hours, share in (("any", 24), ("01:00-04:00", 3), ("23:00-03:00", 4), ("22:00-03:00", 5)):
        found = verdict("rounds", {}, {"hours": hours, "rounds_a_day": 24}, rounds_ended_ms=ended * 3)
        pause_min = int(found.threshold.split()[4])
        assert share / 16 * 60 - 1 <= pause_min < share * 3 / 16 * 60


@pytest.mark.parametrize(
    "wrong",
    [
        {"hours": "25:00-26:00"},
        {"hours": "nights"},
        {"hours": "08:00-08:00"},
        {"battery_stop_pct": 29},
        {"battery_start_pct": 39},
        {"ignore": ("cup",)},
        {"rounds_a_day": 0},
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(wrong)))):
        Limits(**wrong)  # type: ignore[arg-type]


class TestScheduler:
    def test_nothing_is_open_before_the_first_look_and_by_an_old_one(self) -> None:
        made = Scheduler(Limits())
        assert (made.is_open(NOW_MS), made.closed) == (False, ("unread",))
        made.read(FINE, False, NOW_MS)
        assert made.is_open(NOW_MS + READ_AGE_MS_MAX)
        assert not made.is_open(NOW_MS + READ_AGE_MS_MAX + 1)

    def test_it_remembers_what_it_closed_and_says_when_it_will_open(self) -> None:
        made = Scheduler(Limits())
        for at_ms, heat, closed in (
            (0, 74.0, ()),
            (100_000, 80.0, ("temperature",)),
            (200_000, 73.0, ("temperature",)),
            (260_000, 70.0, ()),
        ):
            made.read(replace(FINE, temperature_c=heat), False, NOW_MS + at_ms)
            assert made.closed == closed
        made = Scheduler(Limits())
        for at_ms, heat in ((0, 90.0), (100_000, 80.0)):
            made.read(replace(FINE, temperature_c=heat), False, NOW_MS + at_ms)
        hot = next(one for one in made.verdicts if not one.open)
        assert hot.forecast_ms == NOW_MS + 200_000, "ten degrees more, to 70"

    def test_whoever_ignores_the_power_gate_trains_below_the_floor_too(self) -> None:
        past = (Spent(0, Cost(100, 60_000, 360_000, 0, 0)),)
        low = Conditions(has_battery=True, mains=False, battery_pct=20.0, battery_wh=10.0)
        for ignore, steps in (((), 0), (("power",), 500)):
            made = Scheduler(Limits(session_min=10, ignore=ignore), past)
            made.read(low, False, NOW_MS)
            assert made.steps_max(round_s=300) == steps

    def test_the_last_round_of_the_day_closes_its_gate_at_once(self) -> None:
        made = Scheduler(Limits(rounds_a_day=1))
        made.read(FINE, False, NOW_MS)
        made.spent(Spent(NOW_MS + 1000, Cost(1, 1, None, 0, 0)))
        assert made.closed == ("rounds",), "another head may come before the next reading"

    def test_rounds_that_came_to_nothing_count_but_teach_nothing(self) -> None:
        real = Spent(0, Cost(100, 60_000, 360_000, 0, 0))
        made = Scheduler(Limits(rounds_a_day=1), (real, *[Spent(NOW_MS - 1, NOT_COUNTED)] * 30))
        made.read(FINE, False, NOW_MS)
        assert made.closed == ("rounds",), "also after a restart"
        assert made.prediction == predict([real])

    def test_work_fits_into_session_round_and_battery(self) -> None:
        made = Scheduler(
            Limits(require_mains=False, session_min=10), (Spent(0, Cost(100, 60_000, 360_000, 0, 0)),)
        )
        made.read(FINE, False, NOW_MS)
        assert made.steps_max(3600) == 1000, "ten minutes"
        assert made.steps_max(60) == 100, "the round"
        # 1 point of 10 Wh above the floor is 0.1 Wh = 360 J = 100 steps
        on_battery = replace(FINE, **BATTERY, battery_pct=41.0, battery_wh=10.0)  # type: ignore[arg-type]
        made.read(on_battery, False, NOW_MS)
        assert made.steps_max(3600) == 100
        assert Scheduler(Limits()).steps_max(3600) is None


def rounds(*costs: Cost) -> list[Spent]:
    """Rounds that ended at 1, 2, ..."""
    return [Spent(at, cost) for at, cost in enumerate(costs, 1)]


def test_predictions_follow_the_newest_rounds() -> None:
    assert predict([]) is None
    first = predict(rounds(Cost(10, 1000, None, 5, 50)))
    assert first is not None
    assert (first.ms_per_step, first.energy_mj, first.traffic_bytes) == (100, None, 55)
    later = predict(rounds(Cost(10, 1000, None, 5, 50), Cost(10, 2000, 40, 5, 50)))
    assert later is not None
    assert (round(later.ms_per_step), later.energy_mj) == (130, 40)
    assert steps_that_fit(later, Budget(1300, None)) == 10
    assert steps_that_fit(later, Budget(1300, 20)) == 5
    assert steps_that_fit(later, Budget()) is None


class TestCalibration:
    def test_the_first_round_is_planned_with_it(self) -> None:
        measured = predict([], Calibration(5, 20.0, 30.0))
        assert measured is not None
        assert (measured.energy_mj, measured.traffic_bytes) == (None, 0), "nobody knows how long a round is"
        assert steps_that_fit(measured, Budget(1000, 600)) == 20
        made = Scheduler(Limits(session_min=1))
        made.read(replace(FINE, calibration=Calibration(5, 20.0)), False, NOW_MS)
        assert made.steps_max(3600) == 3000

    def test_it_takes_the_place_of_rounds_before_it_and_later_ones_move_it(self) -> None:
        old, new = Cost(10, 1000, 40, 5, 50), Cost(10, 100, 20, 5, 50)
        measured = predict(rounds(old, old), Calibration(2, 20.0, None))
        assert measured is not None
        assert (measured.ms_per_step, measured.mj_per_step, measured.steps) == (20, 4, 10)
        assert measured.traffic_bytes == 55
        moved = predict(rounds(old, old, new), Calibration(2, 20.0, 30.0))
        assert moved is not None
        assert moved.ms_per_step == 17
        assert moved.mj_per_step == pytest.approx(21.6)
