"""One running fleet for all tests of a module; it works as fast as it can, so it must not outlive them."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.e2e.running_fleet import RunningFleet, running_fleet

SEED = 4


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet") / "fleet", SEED, "auto") as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def ctrl_c_works() -> Iterator[None]:
    """A shell lets jobs in the background ignore Ctrl-C, and what such a test run starts inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
