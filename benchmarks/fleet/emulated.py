"""Rows of `edge-fleet emulate`: a thousand agents on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fleet.kept import Row
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.emulate.plan import CLIENTS_MAX, Emulation
from firmware_profiles.emulate.run import EmulationRun
from firmware_profiles.report import measures

FLEET = "home"
SPEED = 60.0
UPDATES_MIN = 50
"""What a round must have to count."""
GB_PER_MIB = 1.048576e-3
MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many agents, for how many rounds."""

    agents: int
    rounds: int


def emulation(folder: Path, devices: int, rounds: int) -> Emulation:
    """The shipped homes with so many boards, a minute in a second."""
    catalogue = read_catalogue()
    fleet = catalogue.fleet(FLEET).resized(devices)
    return Emulation(fleet, catalogue, folder, fleet.seed, SPEED, rounds)


def rows(crowd: Crowd) -> Iterator[Row]:
    """The crowd."""
    with tempfile.TemporaryDirectory(prefix="bench-fleet-") as folder:
        run = EmulationRun(emulation(Path(folder) / "run", crowd.agents, crowd.rounds))
        record = run.run()
    processes = -(-record.devices // CLIENTS_MAX)
    updates = [one.updates for one in record.rounds] or [0]
    enough = [one for one in updates if one >= UPDATES_MIN]
    said = f"{FLEET}, {record.speed:g} times as fast; the validators and Mosquitto run beside them"
    yield "emulate: agents", record.devices, said
    yield "emulate: processes", processes, "those with agents"
    yield "emulate: paho clients in one process", min(record.devices, CLIENTS_MAX), "one for each agent"
    memory_gb = run.memory_peak_mib * GB_PER_MIB
    yield "emulate: sum of PSS", memory_gb, "highest, all processes with validators"
    at_least = f"at least {UPDATES_MIN} updates; {len(updates)} were closed"
    yield "emulate: finalised rounds with enough updates", len(enough), at_least
    yield "emulate: updates in the smallest of them", min(enough, default=0), f"of all rounds: {min(updates)}"
    yield "emulate: different devices", measures.trained(record), "sent at least one update"
    yield "emulate: time", record.wall_s / MINUTE_S, "from the first process to the last"
