"""Reports of `make bench-*` and `make check-*` carry every figure of their target with its own bound."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import check_demo
from benchmarks.figures import MEASURED, Bound, evaluate, load_bounds, problems, report

ROOT = Path(__file__).resolve().parents[1]
BOUNDS = load_bounds()
SPEED = Bound("bench-x", "speed", "s", "≤ 0.40", "<= 0.40", 2)
RATE = Bound("bench-x", "rate", "1/s", "report", MEASURED, 2)


def test_every_figure_stands_once_and_its_limit_can_be_read() -> None:
    counts = Counter((bound.target, bound.name) for bound in BOUNDS)
    assert [key for key, count in counts.items() if count > 1] == []
    for bound in BOUNDS:
        assert isinstance(bound.holds(0), bool)
        assert bound.target.startswith(("bench-", "check-"))
        assert bound.issue in range(2, 7)
        assert bound.bound


def test_reports_are_complete() -> None:
    """Whatever reports lie in build/ and benchmarks/results/; committed ones come from full runs."""
    reports = [*ROOT.glob("build/*.json"), *ROOT.glob("benchmarks/results/*.json")]
    for path in [path for path in reports if path.name.startswith(("bench-", "check-"))]:
        content = json.loads(path.read_text(encoding="utf-8"))
        assert content["environment"]["cpu"]
        assert problems(path.stem, content, BOUNDS) == []
        if path.parent.name == "results":
            assert not any(row.get("quick") for row in content["figures"]), f"{path}: commit full runs only"


def test_an_unmeasured_figure_never_holds() -> None:
    speed, rate = evaluate("bench-x", {"rate": 7.0}, [SPEED, RATE])
    assert (speed.value, speed.holds) == (None, False)
    assert (rate.value, rate.holds) == (7.0, True)


@pytest.mark.parametrize(
    ("limit", "good", "bad"), [("<= 0.4", 0.4, 0.41), (">= 20", 20, 19), ("< 3", 2.9, 3.0)]
)
def test_limits_at_their_edge(limit: str, good: float, bad: float) -> None:
    bound = Bound("bench-x", "n", "", "text", limit, 2)
    assert bound.holds(good)
    assert not bound.holds(bad)


def test_a_name_that_no_issue_asks_for_is_refused() -> None:
    with pytest.raises(KeyError, match="sped"):
        evaluate("bench-x", {"sped": 1.0}, [SPEED])
    with pytest.raises(KeyError, match="bench-y"):
        evaluate("bench-y", {}, [SPEED])


def test_problems_names_a_missing_row_another_bound_and_a_wrong_verdict() -> None:
    row = {"name": "speed", "value": 0.5, "unit": "s", "bound": "≤ 0.40", "holds": False}
    assert problems("bench-x", {"figures": [row]}, [SPEED]) == []
    assert "missing" in problems("bench-x", {"figures": []}, [SPEED])[0]
    assert "≤ 0.40" in problems("bench-x", {"figures": [{**row, "bound": "≤ 0.60"}]}, [SPEED])[0]
    assert "holds = True" in problems("bench-x", {"figures": [{**row, "holds": True}]}, [SPEED])[0]
    assert "not in bounds.toml" in problems("bench-x", {"figures": [row, {**row, "name": "x"}]}, [SPEED])[0]


def test_a_written_report_is_complete_and_says_when_it_was_quick(tmp_path: Path) -> None:
    report("bench-chain", {"SQLite a round": 99}, quick=True, build_dir=tmp_path)
    content = json.loads((tmp_path / "bench-chain.json").read_text(encoding="utf-8"))
    assert problems("bench-chain", content, BOUNDS) == []
    assert all(row["quick"] for row in content["figures"])
    assert [row["value"] for row in content["figures"] if row["holds"]] == [99]


def test_the_demo_is_held_against_its_bounds() -> None:
    facts = {"accuracy": [0.5, 0.93], "wall_s": 60.0, "validators": 4, "devices": 8, "heads_agree": True}
    good = evaluate("check-demo", check_demo.measured(0, {**facts, "device_peak_rss_mb": 60.0}), BOUNDS)
    assert [figure.name for figure in good if not figure.holds] == []
    crashed = evaluate("check-demo", check_demo.measured(1, {}), BOUNDS)
    assert [figure.name for figure in crashed if figure.holds] == []
