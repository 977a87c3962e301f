"""`calibrate` with a real TFLite runtime, a recorded meter and watts from a wall meter."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from edge_client.adapters.conditions.calibration_file import read_calibration
from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.step_timer import measure
from edge_client.calibrating import Task, calibrate
from edge_client.core.conditions.readings import Conditions
from edge_client.core.conditions.step_times import Power
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net
from edge_client.protocol.chunks import blob_root
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.demo.processes import program
from firmware_profiles.profiles.figure import Provenance
from tests.builders import make_genesis, make_params
from tests.owned_device import edge_client, init_device


@pytest.fixture(scope="module")
def graph() -> bytes:
    return make_trainable(dense_net((6, 8, 3), 1), TrainingOptions(batch=10))


@pytest.fixture
def state(tmp_path: Path, graph: bytes) -> Path:
    """A device that has fetched genesis and graph."""
    genesis = make_genesis(
        manifest=TrainingGraph.open(graph).manifest,
        graph_root=blob_root(graph),
        graph_bytes=len(graph),
        params=make_params(batch=10),
    )
    folder = init_device(tmp_path / "state", genesis.chain_id())
    disk = DeviceDisk(folder, genesis.chain_id())
    disk.objects.put(genesis.chain_id(), genesis.encode())
    disk.objects.put(genesis.graph_root, graph)
    disk.close()
    return folder


def calibrate_board(state: Path, *options: object) -> str:
    """What the command prints. A process of its own: it makes itself nice, and so it stays."""
    command = [program("edge-client"), "calibrate", "--state", str(state), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_result_is_where_predictions_begin_from(state: Path) -> None:
    watts = ("--watts-idle", 2, "--watts-load", 4.5)
    found = json.loads(calibrate_board(state, "--seconds", 1, *watts, "--json"))
    step_ms = found["times"]["median_ms"]
    assert found["mj_per_step"] == pytest.approx(4.5 * step_ms)
    assert found["above_idle_mj"] == pytest.approx(2.5 * step_ms)
    assert (found["stored"], found["batch"], found["nice"] >= 10) == (True, 10, True)
    kept = read_calibration(state)
    assert kept is not None
    assert (kept.ms_per_step, kept.mj_per_step) == (step_ms, found["mj_per_step"])


def test_another_model_is_measured_and_not_stored(state: Path, tmp_path: Path, graph: bytes) -> None:
    plain, training = tmp_path / "plain.tflite", tmp_path / "training.tflite"
    plain.write_bytes(dense_net((6, 8, 3), 1))
    training.write_bytes(graph)
    for model, batch in ((plain, 10), (training, 10)):
        printed = calibrate_board(state, "--seconds", 1, "--model", model)
        assert f"{model.name}: 83 parameters, {batch} samples a step, threads 1" in printed
        assert "energy unknown: no meter is seen" in printed
    assert read_calibration(state) is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("--model", "none.tflite"), "No such file"),
        (("--model", "none.tflite", "--built-in", "mlp"), "choose one of"),
        (("--profile", "x.toml"), "--based-on go together"),
        (("--profile", "x.toml", "--based-on", "a", "--built-in", "mlp"), "choose one of"),
        (("--profile", "x.toml", "--based-on", "a", "--title", 'my "board"'), "simple signs"),
        (("--watts-idle", 3), "needs --watts-load"),
        (("--watts-idle", 3, "--watts-load", 2), "is below --watts-idle"),
    ],
)
def test_mistakes_are_one_sentence(state: Path, given: tuple[object, ...], why: str) -> None:
    result = edge_client("calibrate", "--state", state, *given)
    assert (result.exit_code, why in result.stderr) == (2, True), result.output


def test_a_device_without_a_model_is_told_what_to_do(tmp_path: Path) -> None:
    folder = init_device(tmp_path / "state", bytes(32))
    result = edge_client("calibrate", "--state", folder)
    assert (result.exit_code, "--built-in" in result.stderr) == (2, True)


class Meter:
    """A board that takes 2 W for its first looks and 5 W later."""

    def __init__(self, idle_looks: int) -> None:
        self._left = idle_looks

    def __call__(self) -> Conditions:
        self._left -= 1
        return Conditions(power_w=2.0 if self._left >= 0 else 5.0, temperature_c=50.0)


def test_the_meter_is_read_idle_before_and_while_it_trains(graph: bytes) -> None:
    told: list[float] = []
    measured = measure(TrainingGraph.open(graph), Meter(2), 0.3, told.append)
    assert [look.conditions.power_w for look in measured.idle] == [2.0]
    assert {look.conditions.power_w for look in measured.load} == {5.0}
    assert measured.times.steps > 1
    assert told == sorted(told, reverse=True)
    outcome = calibrate(Task("x", graph, 1, 0.3), Meter(2), Power(), lambda _left_s: None)
    assert outcome.above_idle_mj == pytest.approx(3 * outcome.times.median_ms)
    assert outcome.highest_c == 50


def test_a_profile_is_read_by_the_fleet_programs_loader(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "roof.toml"
    given = ("--profile", file, "--based-on", "raspberry-pi-4b", "--title", "The board on my roof")
    watts = ("--watts-idle", 2.5, "--watts-load", 4)
    calibrate_board(state, "--seconds", 1.5, *given, *watts)
    board, base = (read_catalogue().board(name) for name in (str(file), "raspberry-pi-4b"))
    assert board.title == "The board on my roof"
    assert board.thermal == base.thermal
    measured = (board.step.mlp, board.step.cnn, board.step.head, board.power.idle)
    assert {one.provenance for one in measured} == {Provenance.MEASURED}
    assert all("edge-client calibrate, 20" in one.source for one in measured)
    assert board.step.head.typical < board.step.mlp.typical < board.step.cnn.typical
    assert (board.power.idle.typical, board.power.load) == (2.5, base.power.load)
    assert read_calibration(state) is None
