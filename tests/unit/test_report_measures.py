"""Figures that follow from the facts of a rehearsal, each worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware_profiles.report.measures import (
    bytes_total,
    evenness,
    fairness_of_boards,
    lost_updates,
    quantile,
)
from tests.run_records import a_record


def test_the_quantile_is_a_value_that_so_many_do_not_exceed() -> None:
    values = [40, 10, 30, 20]
    assert [quantile(values, share) for share in (0.25, 0.5, 0.51, 0.95, 1)] == [10, 20, 30, 40, 40]
    assert quantile([7], 0.5) == 7


def test_evenness_is_one_for_equal_shares_and_one_nth_for_a_single_owner() -> None:
    assert evenness([(3, 5)]) == pytest.approx(1)
    assert evenness([(9, 1), (0, 3)]) == pytest.approx(0.25)
    assert evenness([(1, 1), (3, 1)]) == pytest.approx(16 / (2 * 10))
    assert evenness([]) is evenness([(0, 4)]) is None


def test_boards_count_alike_however_large_their_group_is() -> None:
    """Nine boards with two updates each and one with two are even; a group's sum would say otherwise."""
    many, one = a_record().groups[:2]
    groups = (replace(many, devices=9, included=18), replace(one, devices=1, included=2))
    assert fairness_of_boards(replace(a_record(), groups=groups)) == pytest.approx(1)


def test_lost_are_those_that_were_settled_without_being_included() -> None:
    fates = {"included": 5, "pending": 3, "expired": 2, "refused (norm)": 1}
    assert lost_updates(replace(a_record(), fates=fates)) == 3
    assert bytes_total(replace(a_record(), bytes_up={"head": 2}, bytes_down={"say": 3, "head": 4})) == 9
