"""Small cases searched to the end; `make check-consensus` takes the larger ones. Broken rules are found."""

from __future__ import annotations

import pytest

from tests.simulation.consensus_checker import Automaton, search, state_key, whole_key
from tests.simulation.consensus_mutants import MUTANTS
from tests.simulation.consensus_parts import hash_of
from tests.simulation.consensus_universe import Case, Universe, choices
from tests.simulation.consensus_world import ViolationError, simulate

SEEDS_MAX = 40
CASES = {
    "no gap check": Case(slots=2, proposals=1, gaps=True),
    "F after Z": Case(slots=1, proposals=1),
    "Z after F": Case(slots=2, proposals=1),
    "F without NC": Case(slots=1, proposals=1),
    "quorum 2 of 4": Case(slots=1, proposals=2),
    "two N": Case(slots=1, proposals=2),
    "again without its certificates": Case(slots=2, proposals=2, later=0),
    "on after the last block": Case(slots=2, proposals=1, seals=True),
    "no log": Case(slots=1, proposals=1, crashes=True),
}


@pytest.mark.parametrize(
    ("case", "states"),
    [
        (Case(slots=1, proposals=2), 186),
        (Case(slots=1, proposals=2, crashes=True), 292),
        (Case(slots=2, proposals=1), 43_886),
        (Case(slots=2, proposals=1, seals=True), 36_186),
        (Case(slots=2, proposals=2, later=0), 102_898),
    ],
    ids=str,
)
def test_no_order_of_events_breaks_agreement_or_convicts_an_honest_validator(case, states):
    report = search(case)
    assert (report.violation, report.trace) == ("", ())
    assert report.states == states  # fewer would mean that something is not tried any more


@pytest.mark.parametrize("case", [Case(1, 2), Case(1, 1, crashes=True)], ids=str)
def test_what_the_search_leaves_out_of_a_state_changes_nothing(case):
    lean, whole = search(case), search(case, whole_key)
    assert whole.machine_states > lean.machine_states
    assert (lean.states, lean.edges, lean.merged_states) == (whole.states, whole.edges, whole.merged_states)


def test_a_validator_heeds_one_proposal_a_slot():
    """So three honest ones hold three at most, and `choices` of three are as good as all."""
    universe = Universe(Case(slots=2, proposals=2, chosen=(0, 6)))
    automaton = Automaton(universe, state_key)
    offered = {("offer", at): (block, block.header.slot) for at, block in enumerate(universe.blocks)}
    offered |= {("again", at): place for at, place in enumerate(universe.again)}
    refused = 0
    for here, (seen, steps) in enumerate(zip(automaton.seen, automaton.steps, strict=True)):
        for (_, action), after in zip(automaton.actions, steps, strict=True):
            block, slot = offered.get(action, (None, 0))
            held = seen.proposals.get(slot)
            if block and (slot < seen.slot or held not in (None, hash_of(block.header))):
                assert after == (here,)
                refused += 1
    assert refused


def test_choices_that_differ_in_names_only_are_searched_once():
    assert [len(choices(Case(slots=2, proposals=2), count)) for count in (1, 2, 3, 8)] == [3, 8, 12, 1]
    assert len(choices(Case(slots=2, proposals=1), 3)) == 1


@pytest.mark.parametrize("name", MUTANTS)
def test_every_broken_rule_is_found_by_the_search(name):
    with MUTANTS[name]():
        report = search(CASES[name])
    assert report.violation
    assert len(report.trace) > 1


NOT_SIMULATED = ("no gap check", "again without its certificates", "on after the last block")


@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in NOT_SIMULATED])
def test_broken_rules_are_found_by_simulation_too(name):
    """Not the gap check: a validator that has decided ignores lower blocks, so that no run comes so far. Nor
    proposing again without certificates, which no simulated liar does, and what comes after the last block:
    simulated hosts leave the epoch at once. The search finds all three."""
    with MUTANTS[name](), pytest.raises(ViolationError, match="simulate"):
        _simulate_all()


def _simulate_all():
    for seed in range(SEEDS_MAX):
        simulate(seed)
