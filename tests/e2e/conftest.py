"""One running fleet for all tests that leave it whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.running_fleet import RunningFleet, running_fleet

SEED = 4


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet") / "fleet", SEED, "auto") as fleet:
        yield fleet
