"""Every fault of a fleet file really happens to real processes, is counted, and the chain survives it."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_profiles.emulate.plan import Emulation
from firmware_profiles.emulate.run import EmulationRun
from firmware_profiles.report.record import RunRecord
from firmware_profiles.twin.members import members
from firmware_profiles.twin.mishaps import Mishap
from tests.troubled_fleet import troubled

SPEED = 120.0
ROUNDS = 5

pytestmark = pytest.mark.mosquitto


def emulated(folder: Path) -> RunRecord:
    founding = troubled()
    plan = Emulation(founding.fleet, founding.parts, folder, founding.seed, SPEED, ROUNDS)
    return EmulationRun(plan).run()


def starts(log: Path) -> int:
    return log.read_text(encoding="utf-8").count("validator_started")


def test_every_fault_happens_to_real_processes_and_rounds_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    record, mishaps = emulated(folder), troubled().mishaps
    counts = record.fault_counts
    assert set(counts) == {one.value for one in Mishap}
    listed = {
        kind: [one.at_ms for one in record.faults if one.kind == kind.value]
        for kind in (Mishap.MQTT_OUTAGE, Mishap.VALIDATOR_CRASH)
    }
    outages = listed[Mishap.MQTT_OUTAGE]
    # Never too early; how much later a busy machine gets to it shows nothing.
    assert all(at >= due for at, due in zip(outages, mishaps.outages(), strict=False))

    validators = range(record.validators)
    restarts = sum(starts(folder / f"validator-{number}.log") for number in validators) - len(validators)
    crashes = counts[Mishap.VALIDATOR_CRASH.value]
    # On a slow machine one may be killed again before it says that it started; some are still coming back.
    assert 1 <= restarts <= crashes
    log = (folder / "devices-0.log").read_text(encoding="utf-8")
    assert log.count("link_lost") >= len(outages)

    assert len(record.rounds) >= ROUNDS
    crew = members(troubled().fleet)
    liars = {one.number for one in crew if one.is_byzantine}
    trained = {number for each in record.trained for number in each}
    assert liars & trained, "a liar was heard"
    assert trained - liars
    first, last = outages[0], record.rounds[-1].closed_ms
    assert first < last, "the chain went on after the server had died"
    assert max(listed[Mishap.VALIDATOR_CRASH][:1]) < last
