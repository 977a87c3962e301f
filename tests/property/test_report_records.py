"""Whatever a rehearsal showed, its facts come back from their file and make a page."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.run_records import a_record

pytest.importorskip("matplotlib")

from firmware_profiles.report.findings import SHOWN_MAX, findings
from firmware_profiles.report.page import page_of_run
from firmware_profiles.report.record import Fault, GroupFacts, RoundFacts, RunRecord, Trace
from tests.unit.test_report_page import SIZE_MAX, Checker, blank

LARGE = 10**15
SPAN_MS_MAX = 366 * 24 * 3_600_000
counts = st.integers(0, LARGE)
joules = st.floats(0, 1e15)
names = st.text(max_size=20)
by_name = st.dictionaries(names, counts, max_size=4)
rounds = st.builds(
    RoundFacts,
    round=counts,
    height=counts,
    closed_ms=st.integers(0, SPAN_MS_MAX),
    updates=counts,
    accuracy=st.none() | st.floats(0, 1),
    finality_ms=st.none() | st.integers(0, SPAN_MS_MAX),
    joules=joules,
)
groups = st.builds(
    GroupFacts,
    name=names,
    board=names,
    devices=counts,
    trained=counts,
    updates=counts,
    included=counts,
    joules_training=joules,
    joules_radio=joules,
    joules_board=joules,
    rewards=counts,
    floor_breaks=counts,
    empty_batteries=counts,
    gates_closed_h=st.dictionaries(names, joules, max_size=3),
)
points = st.tuples(
    st.integers(0, SPAN_MS_MAX),
    st.none() | st.floats(0, 100),
    st.floats(-60, 200),
    st.sampled_from(("off", "asleep", "idle", "training")),
)
traces = st.builds(
    Trace,
    device=counts,
    group=names,
    board=names,
    points=st.lists(points, max_size=4).map(lambda some: tuple(sorted(some, key=lambda one: one[0]))),
    floor_pct=st.none() | st.floats(0, 100),
)
faults = st.builds(Fault, at_ms=st.integers(0, SPAN_MS_MAX), kind=names, what=names)
loose = st.builds(
    RunRecord,
    title=names,
    mode=st.sampled_from(("simulate", "emulate")),
    policy=names,
    fleet=names,
    seed=st.integers(),
    training=st.sampled_from(("real", "replay", "none")),
    devices=counts,
    validators=counts,
    span_ms=st.integers(0, SPAN_MS_MAX),
    wall_s=joules,
    speed=st.none() | st.floats(1, 1000),
    software=names,
    rounds=st.lists(rounds, max_size=3).map(tuple),
    groups=st.lists(groups, max_size=3).map(tuple),
    participation=st.just(()),
    trained=st.lists(st.lists(counts, max_size=3).map(tuple), max_size=2).map(tuple),
    traces=st.lists(traces, max_size=2).map(tuple),
    bytes_up=by_name,
    bytes_down=by_name,
    refusals=by_name,
    fates=by_name,
    faults=st.lists(faults, max_size=3).map(tuple),
    fault_counts=by_name,
    labels=by_name,
    heads_verified=counts,
    final_height=counts,
    final_hash=names,
    final_accuracy=st.none() | st.floats(0, 1),
    command=names,
)
rows = st.lists(st.tuples(counts, counts, counts), min_size=3, max_size=3)
records = st.builds(
    lambda record, some: replace(record, participation=tuple(some[: len(record.groups)])), loose, rows
)
NOBODY = replace(a_record(), devices=0, groups=(), participation=(), traces=(), rounds=(), labels={})
NO_SHRINKING = (Phase.explicit, Phase.generate)
"""A smaller record would be found, after minutes."""
ONE_ROUND = a_record(1, 1, 1)


@settings(max_examples=8, deadline=None, phases=NO_SHRINKING, suppress_health_check=list(HealthCheck))
@given(record=records)
@example(record=NOBODY)
@example(record=ONE_ROUND)
def test_facts_come_back_and_their_page_is_whole(record: RunRecord) -> None:
    assert RunRecord.from_json(record.to_json()) == record
    page = page_of_run(record, blank)
    ids = Checker(page).ids
    assert {"first", "run"} <= set(ids)
    assert len(ids) == len(set(ids))
    assert len(findings(record)) <= SHOWN_MAX


@pytest.mark.slow
@settings(max_examples=5, deadline=None, phases=NO_SHRINKING, suppress_health_check=list(HealthCheck))
@given(record=records)
@example(record=NOBODY)
@example(record=ONE_ROUND)
@example(record=a_record(10_000, 40, 96))
def test_every_plot_of_any_rehearsal_can_be_drawn(record: RunRecord) -> None:
    page = page_of_run(record)
    Checker(page)
    assert len(page.encode()) < SIZE_MAX
