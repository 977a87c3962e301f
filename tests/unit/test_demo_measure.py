"""Figures of the demo from the validators' events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware_profiles.demo.measure import Percentiles, consensus_times, finality_of, validator_head


@pytest.mark.parametrize(
    ("values", "p50", "p95"),
    [([], None, None), ([7], 7, 7), ([3, 1, 2], 2, 3), (list(range(100)), 49, 95)],
)
def test_percentiles(values: list[int], p50: int | None, p95: int | None) -> None:
    assert Percentiles.of(values) == Percentiles(p50, p95)


def write_events(folder: Path, finals: list[int], extra: str = "") -> list[Path]:
    """Four validators, block 5 of round 3: due at 90, proposed at 100 by the first."""
    paths = []
    for index, final in enumerate(finals):
        events = [{"event": "due", "round": 3, "at_ms": 90 + index}]
        events += [{"event": "proposed", "height": 5, "slot": 6, "at_ms": 100}] if index == 0 else []
        events += [{"event": "block_final", "height": 5, "round": 4, "updates": 8, "at_ms": final}]
        path = folder / f"{index}.events"
        path.write_text("".join(json.dumps(event) + "\n" for event in events) + extra)
        paths.append(path)
    return paths


def test_finality_is_the_third_of_four_validators(tmp_path: Path) -> None:
    paths = write_events(tmp_path, [110, 150, 130, 900])
    times = consensus_times(paths)
    assert times.finality_ms == Percentiles(50, 50)
    assert times.round_close_ms == Percentiles(60, 60)
    assert finality_of(paths, 5) == 50


def test_half_a_line_and_unknown_blocks_do_not_count(tmp_path: Path) -> None:
    paths = write_events(tmp_path, [110, 150, 130, 900], extra='{"event": "block_fi')
    assert finality_of(paths, 5) == 50
    assert finality_of(paths, 6) is None


def test_blocks_without_updates_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "0.events"
    path.write_text(
        json.dumps({"event": "block_final", "height": 1, "round": 1, "updates": 0, "at_ms": 5}) + "\n"
    )
    assert consensus_times([path]).finality_ms == Percentiles(None, None)


def test_a_validator_that_never_ran_stands_at_genesis(tmp_path: Path) -> None:
    assert validator_head(tmp_path, b"g" * 32) == (0, b"g" * 32)
