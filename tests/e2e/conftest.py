"""One running fleet for all tests of a module; it learns as long as it runs, so it must not outlive them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.running_fleet import RunningFleet, running_fleet
from tests.usual_signals import usual_signals

SEED = 4
LONGEST_FIRST = (
    "test_faults",
    "test_both_ways",
    "test_emulate",
    "test_emulate_faults",
    "test_epochs",
    "test_operations",
    "test_demo",
)
"""So that no worker still has a long module to do when the others are done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers take modules in this order, then all others."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """What has none of its own stays where it is: other folders first, our shorter modules last."""
    if item.path.parent != Path(__file__).parent:
        return -1
    return LONGEST_FIRST.index(item.path.stem) if item.path.stem in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet") / "fleet", SEED, "auto") as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def stop_signals_work() -> Iterator[None]:
    with usual_signals():
        yield
