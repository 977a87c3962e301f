"""One chain with one device over TLS: a real Mosquitto, a real validator, a counting proxy in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import geteuid
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.agent import readings
from broker.founding import ChainFiles
from broker.founding_folder import Plan, access_list, found_in_folder
from broker.mqtt_server import mosquitto
from broker.mqtt_server.process import MqttServerError, MqttServerProcess, free_port
from edge_client.adapters.status_file import read_status_file
from edge_client.core.agent import Phase
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net
from edge_client.protocol.keys import Signer, node_id
from edge_client.runtime.keystore import load_seed
from edge_client.runtime.mqtt_options import ServerAddress
from firmware_profiles.demo.processes import Child, Children, program
from tests.certificates import issue_client, make_authority
from tests.fault_proxy import FaultProxy

LAYER_WIDTHS = (784, 128, 10)
SAMPLES, CLASSES, PIXEL_MAX = 400, 10, 255
BATCH = 10
SEED = 1
WAIT_S_MAX = 60.0
POLL_S = 0.02
LIMITS = 'cpu_pressure_pct_max = 100\nio_pressure_pct_max = 100\nignore = ["rounds"]'
"""Neither what else runs where this is measured nor the many rounds keep the device from its work."""
HEADERS_BYTES = 52
"""IPv4, TCP and its time stamps; each piece of data and its acknowledgement have them."""


class NotThereError(Exception):
    """Something did not happen in time; the text says what."""


@dataclass(frozen=True, slots=True)
class Rig:
    """The running chain, and a device folder that nothing has run in yet."""

    folder: Path
    device: Path
    proxy: FaultProxy
    children: Children

    def start_device(self, *command: str) -> Child:
        """The agent as `edge-client run`, or what else runs it."""
        shipped = (program("edge-client"), "run", "--state", str(self.device))
        return self.children.add("device", list(command or shipped), self.folder / "device.log")

    def stop_device(self, child: Child) -> None:
        """Ask it to end and wait."""
        self.children.members.remove(child)
        only = Children([child])
        only.stop()

    def wire_bytes(self) -> int:
        """What passed so far between device and server, with the packets' headers, both ways."""
        return self.proxy.passed_bytes + 2 * HEADERS_BYTES * self.proxy.passed_pieces

    def status(self) -> dict[str, Any]:
        """The device's last words."""
        return read_status_file(self.device)

    def wait(self, what: str, holds: Callable[[dict[str, Any]], bool], wait_s_max: float) -> dict[str, Any]:
        """The first status for which this holds; `NotThereError` when it takes too long."""
        until_s = time.monotonic() + wait_s_max
        while not holds(words := self.status()):
            self.children.check()
            if time.monotonic() > until_s:
                raise NotThereError(f"{what} did not happen in {wait_s_max:.0f} s; last: {words}")
            time.sleep(POLL_S)
        return words

    def wait_done(self, pid: int, round_number: int, wait_s_max: float) -> None:
        """Until the device has handed in its update of a round and has nothing else to do."""

        def holds(words: dict[str, Any]) -> bool:
            here = words.get("pid") == pid and words.get("round") == round_number
            return here and words.get("phase") == Phase.WAITING and words.get("why") == "done"

        self.wait(f"the update of round {round_number}", holds, wait_s_max)


@contextmanager
def running(folder: Path, round_s: int) -> Iterator[Rig]:
    """A chain whose rounds last `round_s`, so that a device that is done waits; stopped at the end."""
    folder.mkdir(parents=True)
    binary = mosquitto.find_binary()
    if binary is None:
        raise MqttServerError("mosquitto is not installed")
    address = ServerAddress("localhost", free_port(), tls=True)
    make_authority(folder)
    graph = folder / "trainable.tflite"
    options = TrainingOptions(batch=BATCH, input_scale_num=1, input_scale_den=PIXEL_MAX)
    graph.write_bytes(make_trainable(dense_net(LAYER_WIDTHS, SEED), options))
    chain = folder / "chain"
    join = found_in_folder(Plan(chain, graph, (str(address),), 1, folder / "ca.pem"), _rules(round_s))
    proxy, children = FaultProxy((address.host, address.port)), Children()
    server = _server(folder, chain, address, binary)
    proxy.start()
    try:
        near = str(ServerAddress("localhost", proxy.port, tls=True))
        device = _init_device(folder, replace(join, servers=(near,)).text())
        server.start()
        _certify(folder, chain / "validator-0", "validator.key", "validator.toml")
        command = [program("edge-broker"), "validator", str(chain / "validator-0")]
        children.add("validator", command, folder / "validator.log")
        yield Rig(folder, device, proxy, children)
    finally:
        children.stop()
        proxy.stop()
        server.stop()


def _rules(round_s: int) -> dict[str, Any]:
    """Two updates would close a round at once; the only device gives one, and the time closes it."""
    return {
        "epochs": 1,
        "learning_rate": 0.05,
        "clip_norm": 10.0,
        "sample_cap": 1000,
        "round_s": round_s,
        "records_wait_s": 1,
        "k": 2,
        "min_updates": 1,
    }


def _server(folder: Path, chain: Path, address: ServerAddress, binary: str) -> MqttServerProcess:
    acl_file, config_file = folder / "acl", folder / "mosquitto.conf"
    acl_file.write_text(mosquitto.acl_text(access_list(ChainFiles.read(chain / "chain"))))
    tls = mosquitto.ServerTls(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    user = "root" if geteuid() == 0 else None
    config_file.write_text(mosquitto.config_text(address, acl_file, tls, user))
    return MqttServerProcess("mosquitto", address, [binary, "-c", str(config_file)], folder / "server.log")


def _init_device(folder: Path, join: str) -> Path:
    """What a board's owner does; noise is as good as pictures for what is measured here."""
    state, data = folder / "device", folder / "data.npz"
    generator = np.random.default_rng(SEED)
    pixels = generator.integers(0, PIXEL_MAX, (SAMPLES, LAYER_WIDTHS[0]), np.uint8)
    np.savez(data, x=pixels, y=generator.integers(0, CLASSES, SAMPLES))
    options = ["--join", join, "--state", str(state), "--data", f"npz:{data}"]
    children = Children()
    children.add("init", [program("edge-client"), "init", *options], folder / "init.log")
    children.wait()
    _certify(folder, state, "device.key", "edge-client.toml")
    config = state / "edge-client.toml"
    config.write_text(config.read_text().replace("[limits]", f"[limits]\n{LIMITS}", 1))
    return state


def _certify(folder: Path, state: Path, seed_file: str, config_file: str) -> None:
    """Give a node its client certificate, and its configuration the two lines that name it."""
    name = f"client-{state.name}"
    issue_client(folder, name, node_id(Signer(load_seed(state / seed_file)).public_key))
    lines = f'[mqtt]\ncert_file = "{folder / name}.pem"\nkey_file = "{folder / name}.key"\n'
    config = state / config_file
    config.write_text(config.read_text().replace("[mqtt]\n", lines, 1))


def rest(pid: int, calm_s: float) -> None:
    """Until the process has used no processor time worth the name for so long."""
    until_s = time.monotonic() + WAIT_S_MAX
    while time.monotonic() < until_s:
        before = readings.cpu_s(pid)
        time.sleep(calm_s)
        if readings.cpu_s(pid) - before < calm_s * 0.01:
            return
    raise NotThereError("the agent does not come to rest")
