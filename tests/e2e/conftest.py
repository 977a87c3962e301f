"""One running fleet for all tests of a module; it works as fast as it can, so it must not outlive them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.running_fleet import RunningFleet, running_fleet
from tests.usual_signals import usual_signals

SEED = 4


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet") / "fleet", SEED, "auto") as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def stop_signals_work() -> Iterator[None]:
    with usual_signals():
        yield
