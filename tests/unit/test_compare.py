"""firmware_profiles/compare: policies, cases, scores and results, with outcomes made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_client.core.bursts import Sleep
from edge_client.core.conditions.gates import Asked, verdicts
from edge_client.core.conditions.limits import Limits
from edge_client.core.conditions.readings import Conditions
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.compare import table
from firmware_profiles.compare.cases import Case, Situation, cases, parameters, smaller
from firmware_profiles.compare.facts import Circumstances, ComparedFacts
from firmware_profiles.compare.outcome import Outcome, Step
from firmware_profiles.compare.policies import Policy, fleet_under, limits_under
from firmware_profiles.compare.results import FILE, Results, ResultsError
from firmware_profiles.compare.scores import compare, single_runs
from firmware_profiles.compare.study import Study

HOUR_MS = 3_600_000
OWNER = Limits(require_mains=False, metered=True, data_cap_metered_mb=500, battery_stop_pct=45)
FINE = Conditions(
    has_battery=True,
    mains=True,
    battery_pct=80.0,
    cpu_pressure_pct=0.0,
    metered=False,
    month_bytes=0,
    disk_free_pct=50.0,
    disk_used_bytes=0,
)
ON_BATTERY = replace(FINE, mains=False)
METERED = replace(FINE, metered=True)
USED = replace(FINE, cpu_pressure_pct=90.0)
LOW = replace(ON_BATTERY, battery_pct=44.0)


def closed(policy: Policy, seen: Conditions) -> list[str]:
    found = verdicts(Asked(seen, limits_under(policy, OWNER), None, 0, training=True), frozenset())
    return [one.gate for one in found if not one.open]


@pytest.mark.parametrize(
    ("seen", "android", "ours"),
    [
        (FINE, [], []),
        (ON_BATTERY, ["power"], []),
        (METERED, ["link"], []),
        (USED, ["cpu"], ["cpu"]),
        (LOW, ["power"], ["power"]),
    ],
)
def test_what_closes_the_gates_under_each_policy(
    seen: Conditions, android: list[str], ours: list[str]
) -> None:
    assert closed(Policy.ANDROID, seen) == android
    assert closed(Policy.OURS, seen) == ours
    assert closed(Policy.NAIVE, seen) == closed(Policy.UNGATED, seen) == []


def test_the_floor_that_is_counted_is_the_owners_under_each_policy() -> None:
    assert {limits_under(one, OWNER).battery_stop_pct for one in Policy} == {45}
    assert limits_under(Policy.OURS, OWNER) == OWNER


def test_only_naive_holds_its_link() -> None:
    assert {one: one.sleep for one in Policy if one.sleep is Sleep.NEVER} == {Policy.NAIVE: Sleep.NEVER}


def test_cases_are_all_policies_in_each_situation() -> None:
    made = cases((Policy.NAIVE, Policy.OURS), seeds=5, moved_seeds=2)
    assert len(made) == len(set(made)) == 2 * (5 + 4 * 2 * 2)
    assert {one.situation.setting for one in made} == {
        "as given",
        *(f"{name} x{factor}" for name in ("battery", "solar", "dropout", "rate") for factor in (0.7, 1.3)),
    }


def test_all_that_is_moved_comes_before_the_next_seed() -> None:
    made = cases((Policy.NAIVE,), 1, moved_seeds=2, moved=("rate",))
    assert [(one.situation.seed, one.situation.factor) for one in made] == [
        *((1, 1.0), (1, 0.7), (1, 1.3)),
        *((2, 0.7), (2, 1.3)),
    ]


def test_only_what_a_fleet_has_is_moved() -> None:
    catalogue = read_catalogue()
    assert parameters(catalogue.fleet("farm-solar")) == ("battery", "solar", "dropout", "rate")
    home = catalogue.fleet("home")
    assert parameters(home) == ("battery", "dropout", "rate")
    mains = tuple(one for one in home.groups if not one.battery)
    assert parameters(replace(home, groups=mains)) == ("dropout", "rate")


def test_a_changed_fleet_file_has_another_mark() -> None:
    study = Study.of(read_catalogue(), "home", 1000, 1)
    told = study.described("home")
    assert told.endswith("), 1000 devices, 1 h")
    assert told == Study.of(read_catalogue(), "home", 1000, 1).described("home")
    job = replace(study.fleet.job, epochs=1)
    assert told != replace(study, fleet=replace(study.fleet, job=job)).described("home")


def test_a_case_moves_one_parameter_and_no_luck() -> None:
    farm = read_catalogue().fleet("farm-solar")
    fleet = Case(Policy.NAIVE, Situation(4, "solar", 0.7)).fleet(farm)
    assert fleet == replace(fleet_under(Policy.NAIVE, farm).scaled(solar=0.7), seed=4)


def test_a_smaller_fleet_asks_the_same_share_in_a_round() -> None:
    home = read_catalogue().fleet("home")
    fleet = smaller(home, 500)
    assert fleet.devices == 500
    assert (fleet.job.selected, fleet.job.k) == (home.job.selected // 2, home.job.k // 2)
    tiny = smaller(home, 10)
    assert (tiny.job.selected, tiny.job.k) == (8, 10), "luck would decide; k stays above, for the pace"


# --- scores -------------------------------------------------------------------------------------------------


def outcome(policy: Policy, seed: int, *points: tuple[float, float, float], moved: str = "") -> Outcome:
    """Points are hours, accuracy, joules."""
    steps = tuple(Step(round(hours * HOUR_MS), accuracy, joules) for hours, accuracy, joules in points)
    situation = Situation(seed, moved, 0.7 if moved else 1.0)
    return Outcome(
        case=Case(policy, situation),
        span_ms=24 * HOUR_MS,
        steps=steps,
        joules=steps[-1].joules if steps else 0.0,
        bytes=1_000_000,
        trained=3,
        updates=10,
        included=8,
        lost=2,
        floor_breaks=seed,
        empty_batteries=1,
        fairness_labels=0.9,
        fairness_boards=None,
        wall_s=1.0,
        final_hash="00",
    )


NAIVE = [
    outcome(Policy.NAIVE, 1, (1, 0.5, 100), (2, 0.9, 200), (3, 0.8, 300)),
    outcome(Policy.NAIVE, 2, (2, 0.73, 100), (4, 0.8, 400)),
]
OURS = [
    outcome(Policy.OURS, 1, (1, 0.5, 50), (2, 0.71, 80), (3, 0.73, 120)),
    outcome(Policy.OURS, 2, (2, 0.7, 40), (4, 0.75, 80)),
]


def test_time_and_joules_are_those_of_the_first_round_that_is_so_good() -> None:
    found = compare([*NAIVE, *OURS])
    naive, ours = found.score(Policy.NAIVE, "as given"), found.score(Policy.OURS, "as given")
    assert naive is not None
    assert ours is not None
    assert (naive.hours, naive.joules, naive.reached) == (2, 150, 2), "0.72: reached in rounds 2 and 1"
    assert (ours.hours, ours.joules, ours.reached) == (3.5, 100, 2)
    assert (ours.floor_breaks, ours.empty_batteries, ours.joules_whole_run) == (3, 2, 100)
    assert found.worst_ratio("hours", Policy.OURS, Policy.NAIVE) == 1.75
    assert found.worst_ratio("joules", Policy.OURS, Policy.NAIVE) == pytest.approx(100 / 150)


def test_one_lucky_model_is_not_enough() -> None:
    good = (3, 6, 7, 8, 9)
    points = [(hour, 0.8 if hour in good else 0.5, hour) for hour in range(12)]
    lucky = outcome(Policy.OURS, 1, *points)
    found = lucky.reached(0.7)
    assert found is not None
    assert found.closed_ms == 7 * HOUR_MS, "four of the five around it are good"
    assert lucky.reached(0.75) is None


def test_a_run_that_never_gets_there_counts_with_all_it_had() -> None:
    poor = outcome(Policy.ANDROID, 1, (5, 0.3, 7))
    found = compare([NAIVE[0], OURS[0], poor])
    android = found.score(Policy.ANDROID, "as given")
    assert android is not None
    assert (android.reached, android.hours, android.joules) == (0, 24, 7)
    shown = "\n".join(table.lines(found))
    assert ">24.0" in shown
    assert "ours against android" in shown


def test_the_worst_setting_counts_and_a_missing_one_is_no_ratio() -> None:
    moved = [
        outcome(Policy.NAIVE, 1, (1, 0.8, 100), moved="solar"),
        outcome(Policy.OURS, 1, (2, 0.8, 90), moved="solar"),
    ]
    found = compare([*NAIVE, *OURS, *moved])
    assert found.settings == ("as given", "solar x0.7")
    assert found.worst_ratio("hours", Policy.OURS, Policy.NAIVE) == 2
    assert found.worst_ratio("joules", Policy.OURS, Policy.NAIVE) == pytest.approx(0.9)
    assert compare([*NAIVE, *OURS, moved[0]]).worst_ratio("hours", Policy.OURS, Policy.NAIVE) is None


def test_without_rounds_there_is_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="nothing was rehearsed"):
        compare([])
    with pytest.raises(ValueError, match="no round was closed"):
        compare([outcome(Policy.NAIVE, 1)])


# --- results ------------------------------------------------------------------------------------------------


def test_results_are_kept_and_a_torn_line_is_rehearsed_again(tmp_path: Path) -> None:
    results = Results(tmp_path, "a study")
    for one in NAIVE:
        results.add(one)
    wanted = [one.case for one in (*NAIVE, *OURS)]
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-5])
    again = Results(tmp_path, "a study")
    assert again.missing(wanted) == wanted[1:]
    again.add(NAIVE[1])
    assert Results(tmp_path, "a study").of(wanted) == NAIVE


def test_results_of_something_else_are_refused(tmp_path: Path) -> None:
    Results(tmp_path, "a study")
    with pytest.raises(ResultsError, match="give another --out"):
        Results(tmp_path, "another")
    (tmp_path / FILE).write_text("a study\n{}\n")
    with pytest.raises(ResultsError, match="no result"):
        Results(tmp_path, "a study")


# --- facts --------------------------------------------------------------------------------------------------


def facts(outcomes: list[Outcome]) -> ComparedFacts:
    circumstances = Circumstances("farm", "Farm", 40, 24.0, 2, 0, "edge-fleet compare farm", "edge-client 1")
    return ComparedFacts.of(circumstances, outcomes)


def test_facts_come_back_from_their_file() -> None:
    made = facts([*NAIVE, *OURS])
    assert ComparedFacts.from_json(made.to_json()) == made


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "comparison", "version": 2}'])
def test_what_is_no_comparison_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ComparedFacts.from_json(text)


def test_each_run_of_the_fleet_as_given_has_a_row() -> None:
    moved = outcome(Policy.NAIVE, 1, (1, 0.8, 100), moved="solar")
    rows = single_runs([*NAIVE, *OURS, moved])
    assert [(one.policy, one.hours) for one in rows] == [
        (Policy.NAIVE, 2),
        (Policy.NAIVE, 2),
        (Policy.OURS, 3),
        (Policy.OURS, 4),
    ]
