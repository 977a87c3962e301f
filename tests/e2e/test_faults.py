"""Real processes killed at seeded random moments: the three faults of the first-light issue.

One fleet goes through all moments of one MQTT server. The full number runs on Mosquitto, a few on the
embedded server; where Mosquitto is missing, the embedded one gets the full number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from broker.mqtt_server.choose import Choice
from broker.mqtt_server.mosquitto import find_binary
from tests.e2e.fault_drills import FAULTS, Drill
from tests.e2e.running_fleet import running_fleet

SEED = 1
MOMENTS_FULL, MOMENTS_FEW = 20, 3


def moments(server: str, count: int, *marks: Any) -> list[Any]:
    return [
        pytest.param(server, fault, number, id=f"{server}-{fault}-{number}", marks=marks)
        for number in range(count)
        for fault in FAULTS
    ]


MOSQUITTO = moments("mosquitto", MOMENTS_FULL if find_binary() else 1, pytest.mark.mosquitto)
EMBEDDED = moments("embedded", MOMENTS_FEW if find_binary() else MOMENTS_FULL)


class Drills:
    """The drill on one MQTT server, then on the next; one fleet runs at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = ExitStack()
        self._server = ""
        self._drill: Drill | None = None

    def on(self, server: Choice) -> Drill:
        if self._drill is None or self._server != server:
            self.stop()
            fleet = self._running.enter_context(running_fleet(self._folder / server, SEED, server))
            self._server, self._drill = server, Drill.on(fleet, SEED)
        return self._drill

    def stop(self) -> None:
        self._running.close()


@pytest.fixture(scope="module")
def drills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drills]:
    drills = Drills(tmp_path_factory.mktemp("faults"))
    yield drills
    drills.stop()


@pytest.mark.parametrize(("server", "fault", "number"), [*MOSQUITTO, *EMBEDDED])
def test_a_fault_harms_nothing(drills: Drills, server: Choice, fault: str, number: int) -> None:
    drill = drills.on(server)
    if drill.failed:
        pytest.skip("not tried: an earlier moment broke this fleet")
    FAULTS[fault](drill, number)
