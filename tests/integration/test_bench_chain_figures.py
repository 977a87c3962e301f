"""Every row of `make bench-chain` from a shortened run: measured, with a bound and a note."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bench_chain import TARGET, Amount, finality_rows, following_rows, wake_up_rows
from benchmarks.figures import evaluate, load_bounds
from edge_client.protocol.light import RUN_HEADERS_MAX

TINY = Amount(
    certified_headers=RUN_HEADERS_MAX,
    linked_headers=RUN_HEADERS_MAX,
    rounds_few=2,
    rounds_many=1,
    wake_ups=2,
)


@pytest.mark.parametrize(
    "rows", [following_rows, wake_up_rows, pytest.param(finality_rows, marks=pytest.mark.mosquitto)]
)
def test_every_row_is_measured_and_has_a_bound_and_a_note(rows, tmp_path: Path):
    found = list(rows(tmp_path, TINY))
    figures = evaluate(TARGET, {name: value for name, value, _ in found}, load_bounds())
    assert len([figure for figure in figures if figure.value]) == len(found) > 0
    assert all(note for _, _, note in found)
