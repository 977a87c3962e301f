"""Setting the stage: data shares, training graph, MQTT server, chain, validators and device folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broker.founding import ChainFiles
from broker.founding_folder import Plan, access_list, found_in_folder
from broker.mqtt_server.choose import Choice, local_server
from broker.mqtt_server.process import MqttServerProcess, free_port
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.training import Dataset
from edge_client.litert.zoo import dense_net
from edge_client.protocol.join import Join
from edge_client.runtime.mqtt_options import ServerAddress
from firmware_profiles.demo.data import PIXEL_MAX, write_shares
from firmware_profiles.demo.processes import Children, program, uninterrupted

BATCH = 10
RULES = {
    "epochs": 2,
    "learning_rate": 0.2,
    "clip_norm": 10.0,
    "sample_cap": 1000,
    "round_s": 20,
    "records_wait_s": 1,
}


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learned: the widths of the network's layers, and rules other than the demo's own."""

    layer_widths: tuple[int, ...] = (64, 32, 10)
    rules: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What to show: how many, from which seed, on which MQTT server, what they learn."""

    folder: Path
    devices: int
    validators: int
    rounds: int
    seed: int
    mqtt: Choice
    lesson: Lesson = field(default_factory=Lesson)


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything the demo plays with."""

    plan: DemoPlan
    server: MqttServerProcess
    join: Join
    files: ChainFiles
    held_out: Dataset
    device_folders: tuple[Path, ...]

    @property
    def chain_folder(self) -> Path:
        """What `edge-broker init` made."""
        return self.plan.folder / "chain"

    def validator_folder(self, index: int) -> Path:
        """Folder of one validator."""
        return self.chain_folder / f"validator-{index}"

    def events_file(self, index: int) -> Path:
        """Where one validator writes its events."""
        return self.plan.folder / f"validator-{index}.events"

    @property
    def event_files(self) -> list[Path]:
        """Of all validators."""
        return [self.events_file(index) for index in range(self.plan.validators)]


def set_stage(plan: DemoPlan) -> Stage:
    """Write all files; start nothing but the (not yet started) server object."""
    shares, held_out = write_shares(plan.folder / "data", plan.devices, plan.validators, plan.seed)
    graph = plan.folder / "trainable.tflite"
    options = TrainingOptions(batch=BATCH, input_scale_num=1, input_scale_den=PIXEL_MAX)
    graph.write_bytes(make_trainable(dense_net(plan.lesson.layer_widths, plan.seed), options))
    port = free_port()
    url = str(ServerAddress("127.0.0.1", port))
    counts = {"k": plan.devices, "min_updates": max(1, plan.devices // 2)}
    chain = plan.folder / "chain"
    join = found_in_folder(
        Plan(chain, graph, (url,), plan.validators), {**RULES, **counts, **plan.lesson.rules}
    )
    files = ChainFiles.read(chain / "chain")
    server = local_server(plan.mqtt, plan.folder, access_list(files), port)
    folders = tuple(plan.folder / f"device-{i}" for i in range(plan.devices))
    _init_devices(folders, shares, join)
    return Stage(plan, server, join, files, held_out, folders)


def _init_devices(folders: tuple[Path, ...], shares: list[Path], join: Join) -> None:
    """What a board's owner does, once for each device."""
    children = Children()
    try:
        for folder, share in zip(folders, shares, strict=True):
            options = ["--join", join.text(), "--state", str(folder), "--data", f"npz:{share}", "--always"]
            log_file = folder.with_suffix(".log")
            children.add(folder.name, [program("edge-client"), "init", *options], log_file)
        children.wait()
    finally:
        children.stop()


def start_everybody(stage: Stage, children: Children) -> None:
    """MQTT server first, then validators, then devices: every one a process of its own."""
    with uninterrupted():
        stage.server.start()
    folder = stage.plan.folder
    for index in range(stage.plan.validators):
        command = [program("edge-broker"), "validator", str(stage.validator_folder(index))]
        events = ["--events", str(stage.events_file(index))]
        children.add(f"validator {index}", command + events, folder / f"validator-{index}.log")
    for index, state in enumerate(stage.device_folders):
        command = [program("edge-client"), "run", "--state", str(state)]
        children.add(f"device {index}", command, folder / f"device-{index}.log")
