"""firmware_profiles/compare/run: real rehearsals of a small fleet under policies."""

from __future__ import annotations

import pytest

from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.compare.cases import Case, Situation, smaller
from firmware_profiles.compare.outcome import Outcome
from firmware_profiles.compare.policies import Policy
from firmware_profiles.compare.run import rehearse_all
from firmware_profiles.compare.study import Study

HOUR_MS = 3_600_000
NAIVE, OURS = Case(Policy.NAIVE, Situation(1)), Case(Policy.OURS, Situation(1))


@pytest.mark.slow
def test_a_held_modem_costs_more_than_sleep_and_a_case_comes_again() -> None:
    catalogue = read_catalogue()
    study = Study(smaller(catalogue.fleet("farm-solar"), 12), catalogue, 2 * HOUR_MS)
    found: list[Outcome] = []
    rehearse_all(study, [NAIVE, OURS], found.append, processes=2)
    by_case = {one.case: one for one in found}
    assert by_case[OURS].joules < by_case[NAIVE].joules / 2
    assert all(one.trained and one.steps and one.floor_breaks == 0 for one in found)
    again: list[Outcome] = []
    rehearse_all(study, [OURS], again.append, processes=1)
    assert again[0].final_hash == by_case[OURS].final_hash
