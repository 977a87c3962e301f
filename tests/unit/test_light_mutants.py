"""Every lenient twin of a predicate is noticed by the vectors; what is not noticed is not tested."""

from __future__ import annotations

import pytest

from edge_client.core import verify
from tests.light_mutants import MUTANTS, applied
from tests.light_vectors import mismatches, stored

VECTORS = list(stored().values())
pytestmark = pytest.mark.slow


def noticed() -> str | None:
    return next((line for vector in VECTORS for line in mismatches(vector)), None)


def test_without_a_mutant_nothing_is_noticed() -> None:
    assert noticed() is None


@pytest.mark.parametrize("name", MUTANTS)
def test_a_lenient_twin_is_noticed(name: str) -> None:
    with applied(MUTANTS[name]):
        assert noticed()


def test_every_predicate_has_a_twin() -> None:
    swapped = {swap.name: swap.twin for mutant in MUTANTS.values() for swap in mutant}
    assert "PREDICATES" in swapped
    dropped = {
        predicate.__name__
        for mutant in MUTANTS.values()
        for swap in mutant
        if swap.name == "PREDICATES"
        for predicate in verify.PREDICATES
        if predicate not in swap.twin
    }
    assert dropped == {predicate.__name__ for predicate in verify.PREDICATES}
