"""Two MQTT servers carry one chain: killing the one a device is on loses nothing and costs one reconnect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from broker.founding import ChainFiles
from broker.founding_folder import Plan, access_list, found_in_folder
from broker.mqtt_server.choose import local_server
from broker.mqtt_server.process import LOOPBACK, MqttServerProcess, free_port
from edge_client.adapters.device_database import DATABASE_FILE
from edge_client.adapters.status_file import read_status_file
from edge_client.core.events import Fate
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net
from edge_client.runtime.mqtt_options import ServerAddress
from firmware_profiles.demo.processes import Children, program
from tests.e2e.running_fleet import rows

LAYER_WIDTHS = (64, 128, 10)
RULES = {
    "epochs": 2,
    "learning_rate": 0.05,
    "clip_norm": 10.0,
    "sample_cap": 1000,
    "round_s": 4,
    "records_wait_s": 1,
    "k": 2,
    "min_updates": 1,
}
"""Only the time closes a round; there is one device."""
WAIT_S_MAX = 180.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Pair:
    """A validator on both servers, and a device whose first one is `servers[0]`."""

    servers: tuple[MqttServerProcess, MqttServerProcess]
    device: Path
    log: Path
    children: Children

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        until_s = time.monotonic() + WAIT_S_MAX
        while not holds():
            self.children.check()
            assert time.monotonic() < until_s, f"{what}: {read_status_file(self.device)}"
            time.sleep(POLL_S)

    def phase(self) -> str:
        return str(read_status_file(self.device).get("phase"))

    def fates(self) -> list[str]:
        found = rows(self.device / DATABASE_FILE, "SELECT fate FROM updates ORDER BY round")
        return [fate for (fate,) in found]

    def said(self, event: str) -> list[str]:
        return [line for line in self.log.read_text(encoding="utf-8").splitlines() if event in line]


@contextmanager
def running_pair(folder: Path) -> Iterator[Pair]:
    graph = folder / "trainable.tflite"
    graph.write_bytes(make_trainable(dense_net(LAYER_WIDTHS, 1), TrainingOptions(batch=10)))
    addresses = [ServerAddress(LOOPBACK, free_port()) for _ in range(2)]
    chain = folder / "chain"
    join = found_in_folder(Plan(chain, graph, tuple(map(str, addresses)), 1), RULES)
    access = access_list(ChainFiles.read(chain / "chain"))
    servers = []
    for number, address in enumerate(addresses):
        (folder / f"server-{number}").mkdir()
        servers.append(local_server("mosquitto", folder / f"server-{number}", access, address.port))
    children, device = Children(), folder / "device"
    generator = np.random.default_rng(1)
    np.savez(folder / "data.npz", x=generator.random((60, 64), np.float32), y=generator.integers(0, 10, 60))
    try:
        for server in servers:
            server.start()
        given = ["--join", join.text(), "--data", f"npz:{folder / 'data.npz'}", "--always"]
        init = [program("edge-client"), "init", "--state", str(device), *given]
        children.add("init", init, folder / "init.log")
        children.wait()
        children.members.clear()
        validator = [program("edge-broker"), "validator", str(chain / "validator-0")]
        children.add("validator", validator, folder / "validator.log")
        run = [program("edge-client"), "run", "--state", str(device)]
        children.add("device", run, folder / "device.log")
        yield Pair((servers[0], servers[1]), device, folder / "device.log", children)
    finally:
        children.stop()
        for server in servers:
            server.stop()


@pytest.mark.mosquitto
def test_the_server_in_use_is_killed_in_a_round(tmp_path: Path) -> None:
    with running_pair(tmp_path) as pair:
        pair.wait(lambda: Fate.INCLUDED.value in pair.fates(), "a first update is included")
        assert len(pair.said("link_up")) == 1
        before = len(pair.fates())
        pair.wait(lambda: pair.phase() == "training" or len(pair.fates()) > before, "a round is trained")
        pair.servers[0].kill()
        pair.wait(lambda: pair.fates().count(Fate.INCLUDED.value) >= before + 2, "two more are included")
        lost = [fate for fate in pair.fates() if fate not in (Fate.INCLUDED.value, Fate.PENDING.value)]
        assert lost == []
        assert len(pair.said("link_lost")) == 1
        assert len(pair.said("link_up")) == 2
