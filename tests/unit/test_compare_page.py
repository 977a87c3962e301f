"""firmware_profiles/compare: the page of a comparison and the command that writes it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.unit.test_compare import NAIVE, OURS, facts, outcome
from tests.unit.test_report_page import SCRIPT, SIZE_MAX, Checker, blank

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.commands.compare import compare
from firmware_profiles.commands.report import report
from firmware_profiles.compare.cases import FACTORS, MOVED, Case, Situation
from firmware_profiles.compare.curves import mean
from firmware_profiles.compare.page import charts_of_comparison, page_of_comparison
from firmware_profiles.compare.policies import Policy
from firmware_profiles.compare.results import Results
from firmware_profiles.compare.study import Study

SECTIONS = ("figures", "learning", "moved", "table", "run")
POOR = outcome(Policy.ANDROID, 1, (5, 0.3, 7))
EVERYTHING = [
    replace(base, case=Case(policy, Situation(seed, moved, factor)))
    for policy, base in ((Policy.NAIVE, NAIVE[0]), (Policy.ANDROID, POOR), (Policy.OURS, OURS[0]))
    for moved, factor in (("", 1.0), *((name, factor) for name in MOVED for factor in FACTORS))
    for seed in (1, 2, 3)
]


def test_the_page_has_every_section_and_the_result_in_words() -> None:
    text = page_of_comparison(facts([*NAIVE, *OURS]), blank)
    assert set(SECTIONS) <= set(Checker(text).ids)
    assert "To the same accuracy, ours takes 1.75 times the time, 0.67 times the joules of naive." in text
    assert "None was moved; --moved-seeds 1 moves" in text
    assert "edge-fleet compare farm" in text


def test_runs_that_never_came_to_it_are_said_beside_the_result() -> None:
    text = page_of_comparison(facts([NAIVE[0], OURS[0], POOR]), blank)
    assert "Never came to it with the fleet as given: android in 1 of 1 runs." in text


def test_one_policy_alone_is_shown_without_a_verdict() -> None:
    text = page_of_comparison(facts(NAIVE), blank)
    assert "nothing to hold against each other" in text


def test_a_title_from_a_fleet_file_is_text() -> None:
    made = facts([*NAIVE, *OURS])
    text = page_of_comparison(replace(made, circumstances=replace(made.circumstances, title=SCRIPT)), blank)
    assert "script" not in Checker(text).tags


def test_every_plot_says_what_it_shows_and_has_its_numbers() -> None:
    charts = charts_of_comparison(facts(EVERYTHING))
    assert [one.name for one in charts][-3:] == ["curve-time", "curve-joules", "moved"]
    assert all(one.note and one.table.rows for one in charts)
    assert all(len(row) == len(one.table.header) for one in charts for row in one.table.rows)


def test_no_seed_lies_beyond_the_axis() -> None:
    far = outcome(Policy.NAIVE, 2, (20, 0.9, 9000))
    chart = charts_of_comparison(facts([NAIVE[0], far, *OURS]))[0]
    figure = Figure()
    chart.draw(figure)
    assert figure.axes[0].get_xlim()[1] >= 20
    assert figure.axes[1].get_xlim()[1] >= 9000 / 40


def test_a_mean_line_holds_values_until_the_next_round_and_ends_with_the_first_run() -> None:
    line = mean([[(0, 0.2), (10, 0.4), (30, 0.4)], [(0, 0.4), (20, 0.8)]])
    assert (line[0][0], line[-1][0]) == (0, 20)
    assert line[0][1] == pytest.approx(0.3)
    assert [round(value, 6) for at, value in line if at < 10] == [0.3] * sum(at < 10 for at, _ in line)
    assert line[-1][1] == pytest.approx(0.6)
    assert max(value for at, value in line if at < 20) == pytest.approx(0.4)


@pytest.mark.slow
def test_the_command_writes_page_and_facts_and_report_makes_the_same_page(tmp_path: Path) -> None:
    study = Study.of(read_catalogue(), "farm-solar", 40, 24)
    results = Results(tmp_path, study.described("farm-solar"))
    for one in EVERYTHING:
        if not one.case.situation.moved and one.case.situation.seed < 3:
            results.add(one)
    asked = ["farm-solar", "--devices", "40", "--seeds", "2", "--out", str(tmp_path)]
    done = CliRunner().invoke(compare, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["reference"] == "naive"
    page = tmp_path / "compare.html"
    text = page.read_text()
    assert "compare farm-solar --devices 40 --seeds 2<" in text, "the command, without places on this disk"
    page.unlink()
    assert CliRunner().invoke(report, [str(tmp_path / "compare.json")]).exit_code == 0
    assert page.read_text() == text


@pytest.mark.slow
def test_a_page_of_everything_is_small_and_loads_nothing() -> None:
    text = page_of_comparison(facts(EVERYTHING))
    ids = Checker(text).ids
    assert len(ids) == len(set(ids))
    assert len(text.encode()) < SIZE_MAX
