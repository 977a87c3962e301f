"""Every row of `make bench-agent` from a shortened run: measured, with a bound and a note."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.agent.life import Length
from benchmarks.bench_agent import TARGET, life_rows, sleep_rows, weight_rows
from benchmarks.figures import evaluate, load_bounds

TINY = Length(round_s=15, idle_s=3, starts=1, sleep_s=2, look_s=0)


ON_MOSQUITTO = [pytest.param(rows, marks=pytest.mark.mosquitto) for rows in (life_rows, sleep_rows)]


@pytest.mark.parametrize("rows", [weight_rows, *ON_MOSQUITTO])
def test_every_row_is_measured_and_has_a_bound_and_a_note(rows, tmp_path: Path):
    found = list(rows(tmp_path, TINY))
    figures = evaluate(TARGET, {name: value for name, value, _ in found}, load_bounds())
    assert len([figure for figure in figures if figure.value is not None]) == len(found) > 0
    assert all(note for _, _, note in found)
    large = [value for name, value, _ in found if "large objects" in name]
    assert all(value is not None and value > 1 for value in large)
