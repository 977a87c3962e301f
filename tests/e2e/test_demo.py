"""`edge-fleet demo` as a newcomer meets it: what it says, writes, returns and leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from firmware_profiles.demo.data import cut
from firmware_profiles.demo.processes import program
from tests.e2e import network_watch

DEVICES, VALIDATORS, SEED = 4, 4, 2
KEYS = {
    "accuracy",
    "rounds",
    "devices",
    "validators",
    "heads_agree",
    "finality_ms",
    "round_close_ms",
    "up_bytes_per_device_round",
    "down_bytes_per_device_round",
    "device_peak_rss_mb",
    "mqtt_server",
    "wall_s",
}
"""What the first-light issue asks `--json` to hold at least."""
LOOPBACK = {"127.0.0.1", "::1"}
WAIT_S_MAX = 180.0


@dataclass(frozen=True, slots=True)
class Played:
    """A demo that has ended, and what it left."""

    code: int
    output: str
    facts: dict[str, object]
    folder: Path
    network: list[str]


def command(folder: Path, rounds: int, mqtt: str) -> list[str]:
    numbers = {"rounds": rounds, "devices": DEVICES, "validators": VALIDATORS, "seed": SEED}
    options = [f"--{name}={number}" for name, number in numbers.items()]
    return [program("edge-fleet"), "demo", *options, f"--mqtt={mqtt}", f"--keep={folder}"]


def play(tmp_path: Path, rounds: int, mqtt: str) -> Played:
    """Run the demo to its end, every Python process of it watched."""
    shutil.copy(network_watch.__file__, tmp_path / "sitecustomize.py")
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    folder, json_file = tmp_path / "demo", tmp_path / "demo.json"
    result = subprocess.run(
        [*command(folder, rounds, mqtt), f"--json={json_file}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    facts = json.loads(json_file.read_text()) if json_file.exists() else {}
    network = (tmp_path / network_watch.LOG_FILE).read_text().splitlines()
    return Played(result.returncode, result.stdout + result.stderr, facts, folder, network)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Three rounds on the embedded server: too few to learn enough."""
    return play(tmp_path_factory.mktemp("short"), 3, "embedded")


def test_a_demo_that_learned_too_little_says_so(short: Played) -> None:
    assert short.code == 1, short.output
    assert "accuracy is below 0.9" in short.output
    assert "Traceback" not in short.output


def test_json_holds_what_the_issue_asks_for(short: Played) -> None:
    facts = short.facts
    assert KEYS - facts.keys() == set()
    assert (facts["rounds"], facts["devices"], facts["validators"]) == (3, DEVICES, VALIDATORS)
    assert facts["heads_agree"] is True
    assert facts["mqtt_server"] == "embedded"
    accuracy = facts["accuracy"]
    assert isinstance(accuracy, list)
    assert len(accuracy) == 3
    for name in ("finality_ms", "round_close_ms"):
        times = facts[name]
        assert isinstance(times, dict)
        assert 0 < times["p50"] <= times["p95"]
    for name in ("up_bytes_per_device_round", "down_bytes_per_device_round", "device_peak_rss_mb", "wall_s"):
        value = facts[name]
        assert isinstance(value, (int, float))
        assert value > 0, name


def test_no_name_is_looked_up_and_nobody_outside_is_called(short: Played) -> None:
    started = [line for line in short.network if line.startswith("started ")]
    assert len(started) >= 1 + VALIDATORS + 2 * DEVICES
    calls = [line.split() for line in short.network if not line.startswith("started ")]
    assert any(event == "socket.connect" for event, *_ in calls)
    assert {host for _, host in calls} <= LOOPBACK


def test_nobody_can_open_the_held_out_part(short: Played) -> None:
    """No image of it is in any file, as bytes or as floats; images of the devices' shares are."""
    from sklearn.datasets import load_digits  # a second that only this test shall cost

    images, labels = load_digits(return_X_y=True)
    pixels = images.astype(np.uint8)
    parts = cut(labels.astype(np.int64), DEVICES, VALIDATORS, SEED)
    files = [path.read_bytes() for path in short.folder.rglob("*") if path.is_file()]
    assert sum(data.find(pixels[parts.devices[0][0]].tobytes()) >= 0 for data in files) == 1
    shown = {row.tobytes() for share in (*parts.devices, *parts.roots) for row in pixels[share]}
    for row in pixels[parts.held_out]:
        if row.tobytes() not in shown:  # the data set holds an image twice
            floats = (row.astype(np.float32) / np.float32(16)).tobytes()
            assert not any(row.tobytes() in data or floats in data for data in files)


@pytest.mark.mosquitto
def test_a_demo_that_learned_enough_ends_with_a_table(tmp_path: Path) -> None:
    """Devices draw anew each time: after 16 rounds accuracy is 0.90 to 0.93, after 32 about 0.96."""
    played = play(tmp_path, 32, "mosquitto")
    assert played.code == 0, played.output
    assert played.facts["mqtt_server"] == "mosquitto"
    assert played.facts["heads_agree"] is True
    table = [line.split("  ") for line in played.output.splitlines() if line.startswith("  ")]
    assert ["", "heads agree"] in [line[:2] for line in table]


@pytest.mark.parametrize(
    ("numbers", "moment"),
    [
        ([signal.SIGTERM], "setting the stage"),
        ([signal.SIGHUP, signal.SIGTERM], "starting"),
        ([signal.SIGINT, signal.SIGINT], "round   1"),
    ],
)
def test_a_stopped_demo_leaves_nothing_running(
    tmp_path: Path, numbers: list[signal.Signals], moment: str
) -> None:
    """Also when somebody presses Ctrl-C twice, or closes the terminal."""
    folder, log = tmp_path / "demo", tmp_path / "demo.log"
    with log.open("wb") as output:
        demo = subprocess.Popen(command(folder, 1000, "auto"), stdout=output, stderr=output)
    try:
        wait(lambda: moment in log.read_text() or demo.poll() is not None, moment)
        for number in numbers:
            demo.send_signal(number)
            time.sleep(0.05)  # otherwise the system makes one of two equal signals
        assert demo.wait(WAIT_S_MAX) == 130, log.read_text()
    finally:
        if demo.poll() is None:  # a test that fails or is stopped leaves nothing running, either
            demo.terminate()
            demo.wait(WAIT_S_MAX)
    assert "nothing is left running" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert processes_that_name(folder) == []


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--keep={folder}", "takes a new folder"),
        ("--json={folder}/nowhere/demo.json", "there is no folder"),
        ("--rounds=0", "--rounds"),
        ("--devices=0", "--devices"),
        ("--validators=3", "--validators 3"),
        ("--mqtt=other", "--mqtt"),
    ],
)
def test_a_mistake_gets_one_sentence_and_starts_nothing(tmp_path: Path, option: str, sentence: str) -> None:
    arguments = [program("edge-fleet"), "demo", option.format(folder=tmp_path)]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert processes_that_name(tmp_path) == []


def wait(holds: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + WAIT_S_MAX
    while not holds():
        assert time.monotonic() < until_s, f"never happened: {what}"
        time.sleep(0.02)


def processes_that_name(folder: Path) -> list[str]:
    """Command lines of running processes that hold this path."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and str(os.getpid()) != path.parent.name:
            found.append(line)
    return found
