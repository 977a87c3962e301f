"""How far two rehearsals agree, on facts that nobody rehearsed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware_profiles.report.agreement import agreement
from firmware_profiles.report.record import RunRecord
from tests.run_records import a_record

ALL = tuple(range(5))


def record(
    *trained: tuple[int, ...], closed: int = 3, joules: float = 1.0, accuracy: float = 0.5
) -> RunRecord:
    whole = a_record(rounds=closed)
    groups = (replace(whole.groups[0], joules_training=joules, joules_radio=0.0),)
    rounds = tuple(replace(one, accuracy=accuracy) for one in whole.rounds)
    return replace(whole, rounds=rounds, groups=groups, trained=trained)


def test_the_same_devices_in_each_round_agree() -> None:
    found = agreement(record(ALL, (1,), ALL), record(ALL, (1,), ALL))
    assert found.who_trained
    assert (found.rounds, found.work) == (3, 11)
    assert (found.joules, found.accuracy) == (0.0, 0.0)


def test_as_many_others_do_not_agree() -> None:
    found = agreement(record(ALL, (1,), ALL), record(ALL, (2,), ALL))
    assert not found.who_trained
    assert found.apart == ((2, 1), (2, 2))


def test_a_device_that_trained_a_round_later_does_not_agree() -> None:
    found = agreement(record((1, 2), (3,), ()), record((1,), (2, 3), ()))
    assert found.apart == ((1, 2), (2, 2))


def test_rounds_that_are_not_closed_both_ways_do_not_count() -> None:
    found = agreement(record(ALL, ALL, (1,)), record(ALL, ALL, ALL, closed=2))
    assert found.who_trained
    assert found.rounds == 2


def test_nobody_trained_is_no_agreement() -> None:
    assert not agreement(record(), record()).who_trained
    empty = replace(record(), rounds=())
    assert agreement(empty, empty).accuracy is None


def test_joules_differ_as_a_share_of_the_first() -> None:
    found = agreement(record(ALL, joules=100.0, accuracy=0.75), record(ALL, joules=95.0, accuracy=0.5))
    assert found.joules == pytest.approx(0.05)
    assert found.accuracy == pytest.approx(0.25)
    assert agreement(record(ALL, joules=0.0), record(ALL)).joules is None
