"""Whole fleets in virtual time, as `edge-fleet simulate` runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from broker.core.validator import Validator
from edge_client.core.agent import Agent
from edge_client.core.bursts import Sleep
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.emulate.plan import Emulation
from firmware_profiles.lesson.bank import shipped_bank
from firmware_profiles.report.record import RunRecord
from firmware_profiles.simulate.run import Plan, Rehearsal, Training
from firmware_profiles.twin.device import TwinDevice
from firmware_profiles.twin.mishaps import Mishap
from tests.troubled_fleet import troubled

HOUR_MS = 3_600_000


def a_plan(fleet: str = "farm-solar", devices: int = 16, seed: int = 1, hours: int = 3) -> Plan:
    catalogue = read_catalogue()
    found = catalogue.fleet(fleet).resized(devices)
    job = replace(found.job, k=4, min_updates=2)
    plan = Plan(replace(found, job=job), catalogue, hours * HOUR_MS, seed, Training.REPLAY, shipped_bank())
    return replace(plan, sleep=Sleep.AUTO)


@cache
def run_once(fleet: str, seed: int) -> RunRecord:
    return Rehearsal(a_plan(fleet, seed=seed)).run()


def test_the_same_seed_is_the_same_chain_in_another_process_and_another_is_another() -> None:
    """Two processes order their sets of strings and bytes differently."""
    code = f"from {__name__} import *; print(Rehearsal(a_plan()).run().to_json())"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    first, again = run_once("farm-solar", 1), RunRecord.from_json(found.stdout.decode())
    assert replace(again, wall_s=first.wall_s) == first
    assert run_once("farm-solar", 2).final_hash != first.final_hash


@pytest.mark.parametrize("fleet", ["home", "farm-solar", "lte-vehicles", "city"])
def test_every_shipped_fleet_learns(fleet: str) -> None:
    record = run_once(fleet, 1)
    assert len(record.rounds) >= 3
    assert sum(one.included for one in record.groups) >= 8
    assert sum(sum(row) for row in record.participation) == sum(one.included for one in record.groups)
    assert sum(len(who) for who in record.trained) == sum(one.updates for one in record.groups)
    assert len(set(record.trained[0])) == len(record.trained[0])
    assert record.heads_verified >= record.devices
    assert record.joules > 0
    assert sum(one.rewards for one in record.groups) > 0
    assert not sum(one.floor_breaks for one in record.groups)


def test_the_machines_are_those_of_production() -> None:
    rehearsal = Rehearsal(a_plan(devices=2))
    rehearsal.world.run(HOUR_MS)
    kinds = {type(node.machine) for node in rehearsal.world.nodes if node.key}
    assert kinds == {Validator}
    twins = [device.twin for device in rehearsal.devices]
    assert all(isinstance(twin, TwinDevice) and type(twin.agent) is Agent for twin in twins)


def test_a_process_that_dies_in_training_goes_on_from_its_disk() -> None:
    plan = a_plan()
    faults = plan.fleet.faults
    dropout = replace(faults.dropout, low=0.5, high=0.5)
    rehearsal = Rehearsal(replace(plan, fleet=replace(plan.fleet, faults=replace(faults, dropout=dropout))))
    record = rehearsal.run()
    fallen = [device for device in rehearsal.devices if device.drop_outs]
    assert len(fallen) > 4
    assert all(device.starts > 1 for device in fallen)
    assert any(rehearsal.tally.of(device.setup.number).included for device in fallen)
    assert set(record.fates) <= {"included", "expired (expired)", "refused (replay)"}


def test_what_happens_can_be_watched_from_a_moment_on() -> None:
    rehearsal, lines = Rehearsal(a_plan(devices=2, hours=1)), list[str]()
    rehearsal.say_from(HOUR_MS // 2, lines.append)
    rehearsal.run()
    assert lines
    assert all(int(line.split()[0]) >= HOUR_MS // 2 for line in lines)


def test_a_board_on_mains_has_no_battery_that_could_be_empty() -> None:
    rehearsal = Rehearsal(a_plan("home", devices=2, hours=1))
    rehearsal.world.run(HOUR_MS)
    plugged = next(one for one in rehearsal.devices if one.setup.board.battery_share is None and one.twin)
    plugged._lose_power()
    assert plugged.twin is None
    assert rehearsal.tally.of(plugged.setup.number).empty_batteries == 0


def test_every_fault_of_the_file_happens_in_virtual_time_and_the_chain_survives() -> None:
    founding, bank = troubled(), shipped_bank()
    plan = Plan(founding.fleet, founding.parts, 5 * HOUR_MS, founding.seed, Training.REPLAY, bank)
    record = Rehearsal(replace(plan, sleep=Sleep.NEVER)).run()  # only who is connected can lose a link
    assert set(record.fault_counts) == {one.value for one in Mishap}
    assert not any(one.kind == Mishap.LOST_MESSAGE.value for one in record.faults)
    crashes = [one.at_ms for one in record.faults if one.kind == Mishap.VALIDATOR_CRASH.value]
    assert len([one for one in record.rounds if one.closed_ms > crashes[0]]) >= 3


def test_both_ways_found_the_same_chain_and_devices(tmp_path: Path) -> None:
    plan = a_plan()
    emulation = Emulation(plan.fleet, plan.parts, tmp_path, plan.seed, speed=60.0, rounds=3)
    assert emulation.founding == plan.founding
