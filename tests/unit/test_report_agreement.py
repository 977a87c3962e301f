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


def test_work_at_the_edge_of_a_round_may_move_to_the_next_and_is_counted() -> None:
    many = tuple(range(30))
    found = agreement(record((1, 2), many[3:], many), record((1,), many[2:], many))
    assert found.who_trained
    assert found.moved == 1
    at_the_end = agreement(record(many, ALL, (1, 2)), record(many, ALL, (1,), (2,)))
    assert at_the_end.who_trained
    assert at_the_end.moved == 1


def test_when_much_work_moves_they_do_not_agree() -> None:
    found = agreement(record(ALL, (), ALL), record((), ALL, ALL))
    assert found.moved == 5
    assert found.apart == ()
    assert not found.who_trained


def test_work_moves_by_one_round_and_answers_for_one() -> None:
    assert agreement(record((2,), (), ()), record((), (), (2,))).apart == ((1, 2), (3, 2))
    found = agreement(record((2,), (), (2,)), record((), (2,), ()))
    assert found.apart == ((3, 2),)
    assert found.moved == 1


def test_work_in_the_open_round_is_not_asked_about() -> None:
    found = agreement(record(ALL, ALL, ALL, (1, 2)), record(ALL, ALL, ALL))
    assert found.who_trained
    assert (found.moved, found.work) == (0, 15)


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
