"""The twin's board: what its agent reads, what it spends, and when it wants to be looked at again."""

from __future__ import annotations

import pytest

from edge_client.core.conditions.gates import Asked, verdicts
from edge_client.core.conditions.limits import Limits
from edge_client.core.conditions.readings import known
from edge_client.runtime.mqtt_options import MqttLimits
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.twin.board import Equipment, Surroundings, TwinBoard
from firmware_profiles.twin.device import Board
from firmware_profiles.twin.presence import Pattern, Stays
from firmware_profiles.twin.radio import KEEPALIVE_S, Radio
from firmware_profiles.twin.sun import Sky, Sun

CATALOGUE = read_catalogue()
START_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
LIMITS = Limits(require_mains=False, battery_start_pct=60, battery_stop_pct=40)
LTE = CATALOGUE.links["lte-cat4"]
STAYS = Stays(7200, 3600, 20_000, 1000, 22 * 3600, 6 * 3600)


def a_board(
    name: str = "raspberry-pi-4b", battery: str = "", link: str = "wifi-4", around: Surroundings | None = None
) -> TwinBoard:
    profile = CATALOGUE.boards[name]
    equipment = Equipment(
        profile,
        Radio(CATALOGUE.links[link]),
        profile.step.mlp.typical,
        CATALOGUE.batteries[battery] if battery else None,
    )
    return TwinBoard(equipment, around or Surroundings(START_MS), LIMITS, START_MS)


def away(on: bool) -> Pattern:
    """Mains that are there, or away, for ever."""
    pattern = Pattern(STAYS, lambda _n: 0.0 if on else 0.999999)
    pattern.on, pattern.next_s = on, float("inf")
    return pattern


def closed(board: TwinBoard, now_ms: int, training: bool) -> set[str]:
    asked = Asked(board.conditions(), LIMITS, None, now_ms, training)
    return {one.gate for one in verdicts(asked, frozenset()) if not one.open}


def test_it_is_the_board_that_a_device_asks_for() -> None:
    board: Board = a_board()
    assert board.energy_mj == 0


def test_a_board_on_mains_has_all_gates_open() -> None:
    board = a_board()
    seen = board.conditions()
    assert (seen.has_battery, seen.mains, seen.link, seen.metered) == (False, True, "wifi", False)
    assert (seen.local_minute, seen.trip_c) == (0, 82.5)
    assert closed(board, START_MS, training=False) == set()


def test_work_costs_the_one_core_rule_and_ends_at_the_step_time() -> None:
    board = a_board()
    power = CATALOGUE.boards["raspberry-pi-4b"].power
    board.advance(START_MS + HOUR_MS)
    assert board.energy_mj == pytest.approx(power.idle.typical * 3600e3)
    before_mj = board.energy_mj
    board.work(on=True)
    board.advance(START_MS + 2 * HOUR_MS)
    assert board.energy_mj - before_mj == pytest.approx(power.one_core_w * 3600e3)
    assert board.ms_per_step == pytest.approx(CATALOGUE.boards["raspberry-pi-4b"].step.mlp.typical)


def test_a_held_connection_costs_a_tail_a_minute() -> None:
    board, resting = a_board(link="lte-cat4"), a_board(link="lte-cat4")
    board.hold(on=True)
    board.advance(START_MS + HOUR_MS)
    tail_j = LTE.tail_time.typical * LTE.tail_power.typical
    promotion_j = LTE.promotion_time.typical * LTE.promotion_power.typical
    assert board.radio_j == pytest.approx(60 * (tail_j + promotion_j), rel=0.01)
    board.hold(on=False)
    for one in (board, resting):
        one.advance(START_MS + 2 * HOUR_MS)
    assert board.energy_mj - resting.energy_mj == pytest.approx(1000 * board.radio_j), "nothing after it"
    assert resting.radio_j == 0


def test_a_hot_board_slows_down_and_stays_at_its_trip() -> None:
    board = a_board("raspberry-pi-3b-plus", around=Surroundings(START_MS, ambient_c=35.0))
    full_ms = board.ms_per_step
    board.work(on=True)
    times_ms: list[int] = []
    while (at_ms := board.next_change()) is not None and len(times_ms) < 10:
        times_ms.append(at_ms)
        board.advance(at_ms)
    assert times_ms == sorted(set(times_ms))
    board.advance(times_ms[-1] + HOUR_MS)
    assert full_ms < board.ms_per_step <= full_ms / 0.857 + 1e-9
    assert board.temperature_c >= 60
    assert closed(board, START_MS, training=True) == {"temperature", "throttling"}
    board.work(on=False)
    assert board.ms_per_step == full_ms or board.temperature_c > 60


def test_on_battery_it_wants_to_be_seen_at_the_floors_and_dies_empty() -> None:
    board = a_board(battery="ups-hat-2x18650", around=Surroundings(START_MS, plugged=(away(False),)))
    seen, at_ms = [], None
    while board.is_alive:
        at_ms = board.next_change()
        assert at_ms is not None
        board.advance(at_ms)
        if board.is_alive:
            seen.append(round(100 * (board.battery_share or 0), 2))
    assert seen == [60, 40]
    assert board.dead_count == 1
    assert at_ms is not None
    battery, power = CATALOGUE.batteries["ups-hat-2x18650"], CATALOGUE.boards["raspberry-pi-4b"].power
    assert board.energy_mj == pytest.approx(battery.usable_wh * 3.6e6, rel=1e-4)
    assert (at_ms - START_MS) / HOUR_MS == pytest.approx(battery.usable_wh / power.idle.typical, rel=1e-4)


def test_the_power_gate_closes_where_the_board_said_it_would() -> None:
    board = a_board(battery="pisugar-3-plus", around=Surroundings(START_MS, plugged=(away(False),)))
    board.work(on=True)
    for at_pct in (60, 40):
        at_ms = board.next_change()
        assert at_ms is not None
        board.advance(at_ms - 2000)
        assert (known(board.conditions().battery_pct) or 0) > at_pct
        board.advance(at_ms)
    assert "power" in closed(board, START_MS, training=True)


def test_a_dead_board_comes_back_with_the_sun() -> None:
    sun = Sun(Sky(48.0, 172, 0.7, 0.2, 0.0, 0.0), 20.0, lambda _n: 0.5)
    board = a_board("raspberry-pi-zero-2w", "pisugar-3", around=Surroundings(START_MS, sun=sun))
    alive = []
    for hour in range(24):
        board.advance(START_MS + hour * HOUR_MS)
        alive.append(board.is_alive)
    assert alive[0]
    assert alive[12]
    assert board.dead_count <= 1
    drained = a_board("raspberry-pi-4b", "pisugar-3", around=Surroundings(START_MS, sun=sun))
    drained.advance(START_MS + 4 * HOUR_MS)
    assert (drained.is_alive, drained.battery_share) == (False, 0)
    spent_mj = drained.energy_mj
    back_ms = drained.next_change()
    assert back_ms is not None
    while not drained.is_alive:
        back_ms = drained.next_change()
        assert back_ms is not None
        assert drained.energy_mj == spent_mj
        drained.advance(back_ms)
    assert drained.battery_share == pytest.approx(0.05, abs=1e-4)
    assert 4 < (back_ms - START_MS) / HOUR_MS < 12


@pytest.mark.parametrize("sunny", [True, False])
def test_looking_seldom_or_often_sees_the_same(sunny: bool) -> None:
    def made() -> TwinBoard:
        sky = Sky(48.0, 172, 0.7, 0.2, 0.3, 0.6)
        golden = 0.618
        sun = Sun(sky, 12.0, lambda n: n * golden % 1) if sunny else None
        plugged = () if sunny else (Pattern(STAYS, lambda n: (n + 3) * golden % 1),)
        used = Pattern(STAYS, lambda n: n * golden % 1)
        around = Surroundings(START_MS, 45.0, sun, plugged, used)
        return a_board("raspberry-pi-3b-plus", "pisugar-3-plus", around=around)

    seldom, often = made(), made()
    for quarter in range(96):
        at_ms = START_MS + quarter * HOUR_MS // 4
        for board in (seldom, often):
            board.advance(at_ms)
            board.work(on=quarter % 3 == 0 and board.is_alive)
        for minutes in (1, 4, 13):
            often.advance(at_ms + minutes * 60_000)
    seldom.advance(at_ms + HOUR_MS)
    often.advance(at_ms + HOUR_MS)
    assert seldom.energy_mj == pytest.approx(often.energy_mj, rel=1e-6)
    assert seldom.battery_share == pytest.approx(often.battery_share, abs=1e-5)
    assert seldom.temperature_c == pytest.approx(often.temperature_c, abs=1e-3)
    assert seldom.dead_count == often.dead_count


def test_a_transfer_pays_promotion_bytes_and_one_tail() -> None:
    radio = Radio(LTE)
    first = radio.transfer(0, 400_000, 100.0)
    assert first.energy_j == pytest.approx(0.26 * 1.21 + 0.4 * LTE.energy_up.typical)
    kept_mbit_s = LTE.rate_up.typical * 0.995
    assert first.time_s == pytest.approx(0.26 + 0.06 + 3.2 / kept_mbit_s)
    second = radio.transfer(0, 400_000, 102.0)
    assert second.energy_j == pytest.approx(0.4 * LTE.energy_up.typical)
    ends_s = radio.tail_ends_s
    assert radio.tail_j(0, 1000) == pytest.approx(11.6 * 1.06)
    assert radio.tail_j(ends_s - 1, 1000) == pytest.approx(1.06)
    assert radio.tail_j(ends_s, 1000) == 0
    assert radio.transfer(0, 0, ends_s + 1).energy_j == pytest.approx(0.26 * 1.21)


def test_a_weaker_signal_takes_longer_and_costs_more() -> None:
    full, weak = Radio(LTE).transfer(1_000_000, 0, 0.0), Radio(LTE, 0.5).transfer(1_000_000, 0, 0.0)
    assert weak.time_s - 0.32 == pytest.approx(2 * (full.time_s - 0.32))
    assert weak.energy_j > 1.5 * full.energy_j


def test_a_burst_is_cheaper_than_two_transfers_apart() -> None:
    together, apart = a_board(link="lte-cat4"), a_board(link="lte-cat4")
    for board, gap_ms in ((together, 1000), (apart, HOUR_MS)):
        for number in range(2):
            board.advance(START_MS + number * gap_ms)
            board.radio(50_000, 200_000)
        board.advance(START_MS + 2 * HOUR_MS)
    tail_j = LTE.tail_power.typical * LTE.tail_time.typical
    assert apart.energy_mj - together.energy_mj == pytest.approx(1000 * tail_j, rel=0.1)


def test_bytes_of_the_month_are_counted_and_begin_anew() -> None:
    board = a_board()
    board.radio(100, 200)
    assert board.conditions().month_bytes == 300
    board.advance(board.conditions().month_ends_ms)
    assert board.conditions().month_bytes == 0


def test_the_owners_use_is_seen_as_pressure() -> None:
    used = away(True)
    board = a_board(around=Surroundings(START_MS, used=used))
    assert closed(board, START_MS, training=False) == {"cpu"}
    power_w = known(board.conditions().power_w)
    assert power_w == pytest.approx(CATALOGUE.boards["raspberry-pi-4b"].power.one_core_w)


def test_a_held_connection_pings_as_the_agent_does() -> None:
    assert MqttLimits().keepalive_s == KEEPALIVE_S
