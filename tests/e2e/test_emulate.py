"""A small emulated fleet: real MQTT, disks and training; nothing is left running; in two parts as in one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.founding import ChainFiles
from broker.founding_folder import access_list
from broker.mqtt_server.mosquitto import find_binary, local_server
from edge_client.adapters.device_disk import DeviceDisk
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.fleet.founding import Founding
from firmware_profiles.lesson.digits import digits

DEVICES, SPEED, SEED = 20, "120", "3"
RUN_S_MAX, STOP_S_MAX = 600, 60
"""Not limits on speed: only so that a failing test ends."""

pytestmark = pytest.mark.mosquitto


def emulate(out: Path, *options: str) -> subprocess.Popen[str]:
    """`edge-fleet emulate` of a small home fleet, in a session of its own."""
    arguments = ["emulate", "home", "--devices", str(DEVICES), "--speed", SPEED, "--seed", SEED]
    return subprocess.Popen(
        [sys.executable, "-m", "firmware_profiles.cli", *arguments, "--out", str(out), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    """What it printed, once it has ended well."""
    try:
        out, errors = process.communicate(timeout=RUN_S_MAX)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, errors
    return out


def alive(folder: Path) -> list[str]:
    """Processes that were started for this folder: Mosquitto is told its name, the others work in it."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                opened = [str(one.readlink()) for one in (process / "fd").iterdir()]
            except OSError:
                continue
            found += [process.name for one in opened[:400] if one.startswith(str(folder))][:1]
    return found


def has_devices(out: Path) -> bool:
    """Whether at least one was switched on."""
    return any((out / "devices").glob("*/agent.db"))


def until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Whether it came true in time."""
    end_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.1)
    return True


def test_a_small_fleet_learns_and_every_device_proved_the_chain(tmp_path: Path) -> None:
    out = tmp_path / "run"
    record: dict[str, Any] = json.loads(finished(emulate(out, "--rounds", "3", "--json")))
    rounds = [one["round"] for one in record["rounds"]]
    assert rounds[:3] == [1, 2, 3]  # a fourth may close before all has ended
    assert all(one["updates"] >= 1 for one in record["rounds"])
    assert record["final_accuracy"] is not None
    assert sum(one["joules_training"] for one in record["groups"]) > 0
    assert record["heads_verified"] >= DEVICES
    assert json.loads((out / "report.json").read_text()) == record
    chain_id = ChainFiles.read(out / "chain").chain_id
    heights = []
    for folder in (out / "devices").iterdir():
        disk = DeviceDisk(folder, chain_id)
        head = disk.chain.head()
        heights.append(0 if head is None else head.height)
        disk.close()
    assert len(heights) == DEVICES
    assert max(heights) <= record["final_height"]
    assert sum(height > 0 for height in heights) > DEVICES // 2
    assert alive(out) == []


def test_nothing_stays_when_it_is_interrupted_or_killed(tmp_path: Path) -> None:
    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        out = tmp_path / number.name
        process = emulate(out)
        try:
            until(lambda p=process, out=out: p.poll() is not None or has_devices(out), RUN_S_MAX)  # type: ignore[misc]
            assert has_devices(out), process.communicate(timeout=1)
            os.kill(process.pid, number)
            process.wait(STOP_S_MAX)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == code
        assert until(lambda out=out: not alive(out), STOP_S_MAX), alive(out)  # type: ignore[misc]


def test_two_parts_share_a_server_and_a_chain(tmp_path: Path) -> None:
    """As on two hosts: each part knows nothing of the other but the MQTT server."""
    binary = find_binary()
    assert binary is not None
    catalogue = read_catalogue()
    fleet = catalogue.fleet("home").resized(DEVICES)
    files = Founding(fleet, catalogue, int(SEED)).chain(digits().graph)
    server = local_server(tmp_path, access_list(files), binary)
    server.start()
    parts = []
    try:
        common = ("--mqtt", str(server.address), "--at", str(int(time.time()) + 5), "--json")
        parts = [emulate(tmp_path / one, "--shard", f"{one}/2", "--rounds", "2", *common) for one in "12"]
        first, second = (json.loads(finished(one)) for one in parts)
    finally:
        for one in parts:
            if one.poll() is None:
                os.killpg(one.pid, signal.SIGKILL)
        server.stop()
    assert len(first["rounds"]) >= 2
    assert first["heads_verified"] > 0
    assert second["heads_verified"] > 0
    own = [{int(one.name.partition("-")[2]) for one in (tmp_path / p / "devices").iterdir()} for p in "12"]
    assert own == [set(range(0, DEVICES, 2)), set(range(1, DEVICES, 2))]
