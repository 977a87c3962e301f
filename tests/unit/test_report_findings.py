"""firmware_profiles/report/findings: what a reader is told to look at first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.core.conditions.limits import GATES as GATE_NAMES
from firmware_profiles.report import findings as module
from firmware_profiles.report.findings import findings
from firmware_profiles.report.record import GroupFacts, RunRecord
from tests.run_records import a_record


def well(**changed: object) -> RunRecord:
    """A rehearsal in which nothing went wrong but what is changed."""
    record = a_record(fates={"included": 2400, "pending": 3})
    facts = {"trained": 66, "empty_batteries": 0, "gates_closed_h": {}}
    groups = tuple(replace(one, **facts) for one in record.groups)  # type: ignore[arg-type]
    return replace(record, devices=198, groups=groups, **changed)  # type: ignore[arg-type]


def with_group(record: RunRecord, **changed: object) -> RunRecord:
    first: GroupFacts = replace(record.groups[0], **changed)  # type: ignore[arg-type]
    return replace(record, groups=(first, *record.groups[1:]))


def test_nothing_is_found_where_all_went_well() -> None:
    assert findings(well()) == []


@pytest.mark.parametrize(
    ("record", "what", "setting"),
    [
        (
            with_group(well(), floor_breaks=2),
            "Boards trained with 2 batteries below",
            "limits.battery_start_pct",
        ),
        (well(rounds=()), "No round was closed in 24 h", "job.min_updates"),
        (with_group(well(), trained=6), "60 boards of 198 never trained", "job.selected"),
        (
            with_group(well(), trained=6, gates_closed_h={"power": 660.0, "cpu": 3.0}),
            "most of them in 'group 0' (60 of 66)",
            "power was closed there for 10.0 of 24.0 h. Begin at a lower charge (limits.battery_start_pct)",
        ),
        (with_group(well(), empty_batteries=1), "A battery ran empty", "mqtt.sleep"),
        (well(fates={"included": 70, "expired": 30}), "30 updates of", "job.rounds_a_day"),
        (well(fates={"included": 70, "refused (stale)": 900}), "mostly: refused (stale)", "faults.byzantine"),
        (well(labels={"0": 1, "1": 100}), "least of all 0", "job.selected"),
        (with_group(well(), included=0), "least of all 'group 0'", "gates of that group"),
        (
            with_group(well(), joules_radio=1e7),
            "most of all in 'group 0' (152 kJ a board)",
            "limits.rounds_a_day",
        ),
    ],
)
def test_what_went_wrong_is_said_with_the_setting_to_change(
    record: RunRecord, what: str, setting: str
) -> None:
    first = findings(record)[0]
    assert what in first.what
    assert setting in first.advice


def test_a_model_that_became_worse_or_stayed_poor_is_told_unless_it_means_nothing() -> None:
    last = a_record().rounds[-1]
    worse = well(rounds=(last, replace(last, accuracy=0.8)), training="real")
    poor = well(rounds=(replace(last, accuracy=0.3),), training="real")
    assert "Accuracy fell from 0.928 to 0.800" in findings(worse)[0].what
    assert "right in 30 % only" in findings(poor)[0].what
    assert findings(replace(poor, training="replay")) == []


def test_a_broken_promise_comes_before_everything_and_three_are_enough() -> None:
    record = with_group(well(fates={"included": 1, "expired": 90}, labels={"0": 1, "1": 100}), floor_breaks=1)
    record = with_group(record, trained=0, empty_batteries=60)
    found = findings(record)
    assert len(found) == module.SHOWN_MAX
    assert "below the owner's floor" in found[0].what


def test_every_gate_has_its_advice() -> None:
    assert set(module.GATES) == set(GATE_NAMES)
