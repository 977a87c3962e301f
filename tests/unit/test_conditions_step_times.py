"""Numbers of a calibration: spread, slowing down, throttling, and what the meter says."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_client.adapters.conditions.calibration_file import (
    CALIBRATION_FILE,
    read_calibration,
    write_calibration,
)
from edge_client.core.conditions.prediction import Calibration
from edge_client.core.conditions.readings import Conditions
from edge_client.core.conditions.step_times import Look, highest_c, mean_w, throttled_after_s, times_of


def test_median_and_spread_are_not_moved_by_a_few_long_steps() -> None:
    times = times_of([*range(1, 100), 100_000.0])
    assert (times.steps, times.median_ms, times.p10_ms, times.p90_ms) == (100, 50.5, 11, 90)
    single = times_of([3.0])
    assert (single.median_ms, single.p10_ms, single.p90_ms, single.slower_after_s) == (3, 3, 3, None)
    with pytest.raises(ValueError, match="no step"):
        times_of([])


@pytest.mark.parametrize(
    ("durations_ms", "after_s"),
    [
        ([100.0] * 100, None),
        ([100.0] * 60 + [130.0] * 40, 6.0),
        ([100.0] * 60 + [120.0] * 40, None),
        ([100.0] * 40 + [130.0] * 20 + [100.0] * 40, None),
        ([100.0] * 10 + [200.0] * 90, 1.0),
    ],
    ids=["even", "slower to the end", "hardly slower", "for a while only", "soon"],
)
def test_it_says_since_when_steps_take_longer(durations_ms: list[float], after_s: float | None) -> None:
    assert times_of(durations_ms).slower_after_s == (None if after_s is None else pytest.approx(after_s))


def test_throttling_by_the_firmware_or_at_the_trip_point() -> None:
    cool, hot = Conditions(temperature_c=60.0, trip_c=80.0), Conditions(temperature_c=80.0, trip_c=80.0)
    assert throttled_after_s([Look(1, cool)]) is None
    assert throttled_after_s([Look(1, cool), Look(2, hot), Look(3, hot)]) == 2
    once, now = Conditions(throttled_bits=4 << 16), Conditions(throttled_bits=4)
    assert throttled_after_s([Look(1, once)]) is None, "it was so before we came"
    assert throttled_after_s([Look(1, once), Look(2, now)]) == 2
    assert throttled_after_s([Look(1, Conditions())]) is None


def test_power_and_heat_of_the_looks_that_know_them() -> None:
    looks = [
        Look(at, Conditions(power_w=watts, temperature_c=40.0 + at)) for at, watts in ((1, 2.0), (2, 4.0))
    ]
    assert (mean_w(looks), highest_c(looks)) == (3, 42)
    assert (mean_w([Look(0, Conditions())]), highest_c([])) == (None, None)


def test_the_file_gives_back_what_was_written_and_nothing_for_rubbish(tmp_path: Path) -> None:
    assert read_calibration(tmp_path) is None
    for written in (Calibration(7, 1.5, 20.25), Calibration(7, 1.5)):
        write_calibration(tmp_path, written)
        assert read_calibration(tmp_path) == written
    rubbish = ["", "[]", "{}", '{"at_ms": 1, "ms_per_step": 0}', '{"at_ms": 1, "ms_per_step": "x"}']
    rubbish += ['{"at_ms": 1, "ms_per_step": NaN}', '{"at_ms": 1, "ms_per_step": 1, "other": 1}']
    for text in rubbish:
        (tmp_path / CALIBRATION_FILE).write_text(text)
        assert read_calibration(tmp_path) is None, text
