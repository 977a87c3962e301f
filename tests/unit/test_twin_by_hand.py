"""The twin's physics against a pocket calculator: every expected number here is worked out from the figures
in the comment, not by the code."""

from __future__ import annotations

from dataclasses import replace
from math import exp
from typing import Any

import pytest

from edge_client.core.conditions.limits import Limits
from edge_client.protocol.machine import Received
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.profiles.board import Board
from firmware_profiles.profiles.figure import Figure
from firmware_profiles.profiles.link import Link
from firmware_profiles.twin.board import Equipment, Surroundings, TwinBoard
from firmware_profiles.twin.charge import MAINS, NOTHING, Charge, Steady, Store
from firmware_profiles.twin.heat import Heat
from firmware_profiles.twin.mishaps import Mishaps
from firmware_profiles.twin.radio import Radio
from firmware_profiles.twin.sun import Sky, Sun
from tests.unit.test_fleet_device import a_device, a_setup

CATALOGUE = read_catalogue()
HOUR_S = 3600


def exactly(figure: Figure, value: float) -> Figure:
    return replace(figure, low=value, high=value)


def a_link() -> Link:
    """8 Mbit/s, 3 J/MB up and 2 J/MB down; promotion 0.5 s at 1 W, tail 10 s at 0.4 W; 0.1 W at rest."""
    link = CATALOGUE.links["lte-cat4"]
    values: dict[str, float] = {
        "rate_down": 8,
        "rate_up": 8,
        "rtt": 100,
        "loss": 0,
        "energy_down": 2,
        "energy_up": 3,
    }
    values |= {"promotion_time": 0.5, "promotion_power": 1, "tail_time": 10, "tail_power": 0.4}
    values["standby_power"] = 0.1
    figures: dict[str, Any] = {name: exactly(getattr(link, name), value) for name, value in values.items()}
    return replace(link, **figures)


def a_profile() -> Board:
    """2 W idle, 6 W with all cores; one core is a quarter of the way: 3 W. 5 K/W above 25 °C, in 100 s."""
    board = CATALOGUE.boards["raspberry-pi-4b"]
    power, thermal = board.power, board.thermal
    return replace(
        board,
        power=replace(
            power,
            idle=exactly(power.idle, 2),
            load=exactly(power.load, 6),
            one_core_share=exactly(power.one_core_share, 0.25),
        ),
        thermal=replace(
            thermal,
            ambient=exactly(thermal.ambient, 25),
            resistance=exactly(thermal.resistance, 5),
            time_constant=exactly(thermal.time_constant, 100),
            trips=(),
        ),
    )


def test_the_joules_of_a_round() -> None:
    """Fetch 0.5 MB, train 600 steps of 50 ms, send 0.25 MB within the tail, then 30 s of nothing."""
    board = TwinBoard(Equipment(a_profile(), Radio(a_link()), 50.0), Surroundings(0), Limits(), 0)
    board.radio(0, 500_000)  # 0.5 s · 1 W + 0.5 MB · 2 J/MB = 1.5 J
    board.advance(5_000)  # half a second to promote, half a second of data: the tail began at 1 s
    assert board.ms_per_step == 50
    board.work(on=True)
    board.advance(35_000)  # 600 · 50 ms = 30 s; the tail ends 10 s after the last byte
    board.work(on=False)
    board.radio(250_000, 0)  # the radio was down: 0.5 J + 0.25 MB · 3 J/MB = 1.25 J
    board.advance(65_000)
    assert board.training_j == pytest.approx(30 * (3 - 2))
    assert board.radio_j == pytest.approx(1.5 + 10 * 0.4 + 1.25 + 10 * 0.4)
    assert board.energy_mj / 1000 == pytest.approx(65 * (2 + 0.1) + 30 + 1.5 + 4 + 1.25 + 4)


def test_the_time_of_a_transfer_and_what_a_weak_signal_costs() -> None:
    strong, weak = Radio(a_link()), Radio(a_link(), rate=0.5)
    first = strong.transfer(1_000_000, 0, 0.0)
    assert (first.time_s, first.energy_j) == pytest.approx((0.5 + 0.1 + 1, 0.5 + 2))
    second = weak.transfer(1_000_000, 1_000_000, 0.0)
    assert (second.time_s, second.energy_j) == pytest.approx((0.5 + 0.1 + 2 + 2, 0.5 + 4 + 6))
    # a ping of 100 bytes each way, with promotion and tail, once a minute
    assert strong.keepalive_w == pytest.approx((0.5 + 10 * 0.4 + 1e-4 * 5) / 60)


def test_where_the_temperature_ends_and_how_soon() -> None:
    heat = Heat(a_profile().thermal)
    assert heat.settles_c(3.1) == pytest.approx(25 + 5 * 3.1)
    board = TwinBoard(Equipment(a_profile(), Radio(a_link()), 50.0), Surroundings(0), Limits(), 0)
    board.work(on=True)
    board.advance(100_000)  # one time constant: from 35.5 °C on the way to 40.5 °C
    assert board.temperature_c == pytest.approx(40.5 - 5 * exp(-1))


@pytest.mark.parametrize(
    ("supply", "gained_j"),
    [
        (NOTHING, -2 * 100),
        (Steady(1.5), -0.5 * 100),  # what lacks comes out whole
        (Steady(5.0), 3 * 0.9 * 100),  # what is left over is stored in part, also below the charger's most
        (MAINS, 4 * 0.9 * 100),  # no more than the charger takes
    ],
)  # fmt: skip
def test_what_a_battery_gains_in_100_s(supply: Steady, gained_j: float) -> None:
    charge = Charge(Store(10_000.0, 4.0, 0.9), 0.5)
    charge.advance(0, 100, 2.0, supply)
    assert charge.level_j == pytest.approx(5000 + gained_j)


def test_the_sun_at_noon_and_over_a_day() -> None:
    """At the equator on the day of the solstice the noon sun is 66.56° high; day and night are equal, and the
    day's energy is 2/π of noon's power over 12 h."""
    sun = Sun(Sky(0, 172, 0.5, 0.5, 0, 0), 10.0, lambda _day: 0.5)
    noon_w = 10 * 0.5 * 0.91748
    assert sun.watts(12 * HOUR_S) == pytest.approx(noon_w, rel=1e-4)
    assert sun.watts(0) == 0
    assert sun.energy_j(0, 24 * HOUR_S) == pytest.approx(noon_w * 12 * HOUR_S * 0.63662, rel=1e-4)
    north = {day: Sun(Sky(52, day, 1, 1, 0, 0), 10.0, lambda _day: 0.5) for day in (172, 355)}
    assert north[172].watts(12 * HOUR_S) == pytest.approx(10 * 0.8780, rel=1e-3)  # 38 + 23.44 degrees high
    assert north[355].watts(12 * HOUR_S) == pytest.approx(10 * 0.2515, rel=5e-3)  # 38 - 23.44


def test_a_message_is_counted_with_its_packets() -> None:
    device, shell = a_device(a_setup())
    device.power_up()
    assert device.twin is not None
    device.twin.handle(Received("nobody/knows", b"x" * 88), shell.now_ms())
    assert device.twin.down_bytes.total() == 12 + 88 + 100


def test_devices_drop_out_anywhere_in_their_work() -> None:
    plan = Mishaps(CATALOGUE.fleet("home").faults, 1.0, 1)
    at = [share for one in range(200) if (share := plan.drop_out(3, one, 0)) is not None]
    assert len(set(at)) == 200
    assert sum(at) / 200 == pytest.approx(0.5, abs=0.08)
