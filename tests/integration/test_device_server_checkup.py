"""`doctor` and a real MQTT server: what it lets this device do, and that a running agent is not disturbed."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from broker.mqtt_server import mosquitto
from broker.mqtt_server.acl import AccessList
from broker.mqtt_server.choose import local_server
from broker.mqtt_server.process import MqttServerProcess, free_port
from edge_client.config import DeviceConfig, device_toml, read_config
from edge_client.device_folder import CONFIG_FILE, KEY_FILE
from edge_client.machine_checkup import Finding
from edge_client.protocol.join import Join
from edge_client.protocol.keys import Signer, node_id
from edge_client.protocol.machine import Acknowledged, LinkLost, Publish, Received
from edge_client.protocol.topics import Topics
from edge_client.runtime.keystore import create_seed
from edge_client.runtime.lock import single_instance
from edge_client.runtime.mqtt import MqttTransport
from edge_client.runtime.mqtt_options import MqttOptions, ServerAddress
from edge_client.server_checkup import check_servers
from tests.transport_rigs import FAST, VALIDATOR, Client

CHAIN = bytes(range(32))
TOPICS = Topics.of(CHAIN)


class Rig:
    """A device, and servers for its chain."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        np.savez(folder / "data.npz", x=np.zeros((8, 3), np.uint8), y=np.arange(8) % 2)
        self.device = node_id(Signer(create_seed(folder / KEY_FILE)).public_key)
        self.access = AccessList(TOPICS.chain, frozenset({VALIDATOR}))

    def config(self, *servers: str, password: str = "") -> DeviceConfig:
        text = device_toml(Join(servers, CHAIN).text(), "npz:data.npz")
        if password:
            (self.folder / "password").write_text(password)
            text = text.replace('# password_file = "mqtt.password"', 'password_file = "password"')
        (self.folder / CONFIG_FILE).write_text(text)
        return read_config(self.folder)

    def check(self, *servers: str, password: str = "", device: str | None = None) -> dict[str, Finding]:
        config = self.config(*servers, password=password)
        found = check_servers(self.folder, config, self.device if device is None else device)
        assert all(one.mend for one in found if not one.good)
        return {one.check: one for one in found}

    def run(self, process: MqttServerProcess) -> MqttServerProcess:
        process.start()
        self._stack.callback(process.stop)
        return process

    def mosquitto(self, *lines: str, acl: str | None = None) -> str:
        address = ServerAddress("127.0.0.1", free_port())
        (self.folder / "acl").write_text(mosquitto.acl_text(self.access) if acl is None else acl)
        text = mosquitto.config_text(address, self.folder / "acl", user="root")
        taken = {line.split()[0] for line in lines}
        kept = [line for line in text.splitlines() if line.split()[0] not in taken]
        (self.folder / "conf").write_text("\n".join([*kept, *lines]) + "\n")
        command = [mosquitto.find_binary() or "mosquitto", "-c", str(self.folder / "conf")]
        return str(self.run(MqttServerProcess("mosquitto", address, command, self.folder / "log")).address)

    def client(self, server: str, node: str) -> Client:
        host, port = server.removeprefix("mqtt://").split(":")
        transport = MqttTransport(MqttOptions((ServerAddress(host, int(port)),), node, limits=FAST))
        self._stack.callback(transport.stop)
        return Client(transport, None)

    def validator(self, server: str) -> None:
        """Answers the first question."""
        client = self.client(server, VALIDATOR)
        client.transport.subscribe((f"{TOPICS.base}/up/+/ask",))
        client.start()

        def answer() -> None:
            client.wait(Received)
            topic = TOPICS.down_chunk(self.device, VALIDATOR, CHAIN.hex(), 0)
            client.transport.publish(Publish(topic, b"piece"))

        threading.Thread(target=answer, daemon=True).start()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with ExitStack() as stack:
        yield Rig(tmp_path, stack)


@pytest.mark.mosquitto
def test_all_is_well(rig: Rig) -> None:
    server = rig.mosquitto()
    rig.validator(server)
    found = rig.check(server)
    assert found["servers"].good
    assert found["access"] == Finding("access", True, "a validator answered a question of this device")


def test_the_embedded_server_is_asked_in_its_older_version(rig: Rig) -> None:
    server = str(rig.run(local_server("embedded", rig.folder, rig.access)).address)
    rig.validator(server)
    assert "a validator answered" in rig.check(server)["access"].detail


@pytest.mark.mosquitto
def test_nobody_answers(rig: Rig) -> None:
    """Not for sure a fault, so a warning."""
    found = rig.check(rig.mosquitto())["access"]
    assert found.good
    assert "drops what this device publishes without a word" in found.detail
    assert "edge-broker status" in found.mend


@pytest.mark.mosquitto
def test_an_access_list_that_lacks_the_device(rig: Rig) -> None:
    found = rig.check(rig.mosquitto(acl=f"user {VALIDATOR}\ntopic readwrite #\n"))["access"]
    assert not found.good
    assert "to ask its questions (Not authorized)" in found.detail
    assert rig.device in found.mend


@pytest.mark.mosquitto
def test_a_refused_login_is_told_from_a_server_that_is_away(rig: Rig) -> None:
    subprocess.run(["mosquitto_passwd", "-b", "-c", rig.folder / "pw", rig.device, "right"], check=True)
    server = rig.mosquitto("allow_anonymous false", f"password_file {rig.folder / 'pw'}")
    found = rig.check(server, password="wrong")
    assert set(found) == {"login"}
    assert "mqtt.password_file" in found["login"].mend
    assert rig.check(server, password="right")["servers"].good


@pytest.mark.parametrize(
    ("server", "detail", "mend"),
    [
        ("mqtt://127.0.0.1:1", "nothing listens there", "is the MQTT server running"),
        ("mqtt://nowhere.invalid:1883", "cannot be resolved", "getent hosts"),
    ],
)
def test_who_cannot_be_reached(rig: Rig, server: str, detail: str, mend: str) -> None:
    found = rig.check(server)
    assert set(found) == {"servers"}
    assert detail in found["servers"].detail
    assert mend in found["servers"].mend


@pytest.mark.mosquitto
def test_a_running_agent_is_not_thrown_out(rig: Rig) -> None:
    server = rig.mosquitto()
    agent = rig.client(server, rig.device)
    agent.start()
    with single_instance(rig.folder, "edge-client"):
        found = rig.check(server)
    assert found["servers"].good
    assert "the agent runs" in found["access"].detail
    agent.transport.publish(Publish(TOPICS.up_ask(rig.device), b"still here", token=1))
    agent.wait(Acknowledged)
    assert LinkLost not in [type(event) for event in agent.seen]


@pytest.mark.mosquitto
def test_without_a_key_the_server_is_only_reached(rig: Rig) -> None:
    found = rig.check(rig.mosquitto(), device="")
    assert set(found) == {"servers"}


def test_one_server_that_works_is_enough(rig: Rig) -> None:
    server = str(rig.run(local_server("embedded", rig.folder, rig.access)).address)
    rig.validator(server)
    found = rig.check("mqtt://127.0.0.1:1", server)
    assert found["servers"].good
    assert "1 of 2 reachable" in found["servers"].detail
    assert "nothing listens there" in found["servers"].detail
