"""Finality over a real Mosquitto on loopback: real validator processes, scripted devices, no training."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chain.scripted_devices import NoAnswerError, ScriptedDevices
from broker.founding import ChainFiles
from broker.founding_folder import Plan, access_list, found_in_folder
from broker.mqtt_server.choose import local_server
from broker.mqtt_server.process import free_port
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net
from edge_client.protocol.keys import node_id
from edge_client.runtime.mqtt_options import ServerAddress
from firmware_profiles.demo.measure import Percentiles, consensus_times
from firmware_profiles.demo.processes import Children, program

DEVICES = 4
LAYER_WIDTHS = (64, 32, 10)
BATCH = 10
SEED = 1
START_S_MAX = 60.0
ROUND_S_MAX = 30.0
POLL_S = 0.02
CALM_S = 0.25
"""Rounds are minutes apart in a fleet, so each proposal finds validators that have nothing else to do."""
WARM_UP_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class FinalityPlan:
    """How many validators, how many rounds, and where their files go."""

    folder: Path
    validators: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Finality:
    """What one run gave. CPU times are of a whole round, of all validators together and of the MQTT server;
    unlike the latency they do not depend on what else the machine does."""

    finality_ms: Percentiles
    validators_cpu_ms: float
    server_cpu_ms: float


def measure_finality(plan: FinalityPlan) -> Finality:
    """Publish of the proposal to the q-th finality certificate; the first rounds are not counted."""
    plan.folder.mkdir(parents=True)
    graph = plan.folder / "trainable.tflite"
    graph.write_bytes(make_trainable(dense_net(LAYER_WIDTHS, SEED), TrainingOptions(batch=BATCH)))
    address = ServerAddress("127.0.0.1", free_port())
    chain = plan.folder / "chain"
    found_in_folder(Plan(chain, graph, (str(address),), plan.validators), _rules())
    files = ChainFiles.read(chain / "chain")
    server = local_server("mosquitto", plan.folder, access_list(files), address.port)
    children, devices = Children(), ScriptedDevices(files.genesis, address, DEVICES)
    events = [plan.folder / f"validator-{index}.events" for index in range(plan.validators)]
    try:
        server.start()
        for index, path in enumerate(events):
            command = [program("edge-broker"), "validator", str(chain / f"validator-{index}")]
            children.add(f"validator {index}", [*command, "--events", str(path)], path.with_suffix(".log"))
        devices.start(node_id(files.genesis.validators.keys[0]), START_S_MAX)
        for number in range(1, plan.rounds + WARM_UP_ROUNDS + 1):
            if number == WARM_UP_ROUNDS + 1:
                _calm(events, children)
                counted_from_bytes = [path.stat().st_size for path in events]
                cpu_before = _cpu_ms(children), _cpu_ms_of(server.pid)
            _calm(events, children)
            devices.hand_in()
            devices.wait_for_round(number + 1, ROUND_S_MAX)
        _calm(events, children)
        cpu_after = _cpu_ms(children), _cpu_ms_of(server.pid)
    finally:
        devices.stop()
        children.stop()
        server.stop()
    tails = [_tail(path, at) for path, at in zip(events, counted_from_bytes, strict=True)]
    cpu = [(after - before) / plan.rounds for after, before in zip(cpu_after, cpu_before, strict=True)]
    return Finality(consensus_times(tails).finality_ms, *cpu)


def _cpu_ms(children: Children) -> float:
    return sum(_cpu_ms_of(child.process.pid) for child in children.members if child.process is not None)


def _cpu_ms_of(pid: int | None) -> float:
    """User and system time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def _rules() -> dict[str, int | float]:
    """Every device's update closes the round; nothing else is ever due."""
    return {
        "epochs": 1,
        "learning_rate": 0.1,
        "clip_norm": 10.0,
        "sample_cap": 1000,
        "round_s": 3600,
        "records_wait_s": 1,
        "k": DEVICES,
        "min_updates": DEVICES,
    }


def _calm(events: list[Path], children: Children) -> None:
    """Until no validator has had anything to say for `CALM_S`."""
    sizes, since_s = [0], time.monotonic()
    until_s = since_s + ROUND_S_MAX
    while time.monotonic() - since_s < CALM_S:
        time.sleep(POLL_S)
        children.check()
        now = [path.stat().st_size for path in events]
        if now != sizes:
            sizes, since_s = now, time.monotonic()
        if time.monotonic() > until_s:
            raise NoAnswerError("validators do not come to rest")


def _tail(path: Path, from_bytes: int) -> Path:
    """The events that came after the warm-up, in a file of their own."""
    tail = path.with_suffix(".counted")
    tail.write_bytes(path.read_bytes()[from_bytes:])
    return tail
