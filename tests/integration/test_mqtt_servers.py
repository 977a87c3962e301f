"""The servers that we start: who gets in, what the access list does, and that nothing is left running."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.mqtt_server.admission import admit
from broker.mqtt_server.choose import local_server
from broker.mqtt_server.mosquitto import PACKET_BYTES_MAX
from broker.mqtt_server.process import LOOPBACK, MqttServerError, MqttServerProcess, free_port
from edge_client.protocol.machine import Acknowledged, Publish, Received
from edge_client.runtime.mqtt import MqttTransport
from edge_client.runtime.mqtt_options import MqttOptions, ServerAddress
from edge_client.runtime.paho_link import Accepted, Answered, Lost, PahoLink
from edge_client.runtime.transport import Will
from tests.transport_rigs import ACCESS, DEVICE, FAST, OTHER_DEVICE, TOPICS, VALIDATOR, WAIT_S_MAX, Client

RELOAD_TRIES_MAX = 1_000
LEFT_COUNT = 2_500
"""More than Mosquitto queues for a client, and more than a client holds before its subscriptions stand."""
SERVERS = ["embedded", pytest.param("mosquitto", marks=pytest.mark.mosquitto)]


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MqttServerProcess]:
    process = local_server(request.param, tmp_path, ACCESS)
    process.start()
    yield process
    process.stop()


def connect_once(server: MqttServerProcess, options: MqttOptions) -> Accepted | Lost:
    """What the server says to one MQTT 3.1.1 connection."""
    link = PahoLink(options, 4, None)
    link.open(server.address)
    os.set_blocking(link.fileno(), True)
    while not link.happened:
        link.read()
    (answer,) = link.happened
    link.close()
    assert isinstance(answer, Accepted | Lost)
    return answer


def test_a_node_gets_in(server: MqttServerProcess) -> None:
    options = MqttOptions((server.address,), DEVICE, will=Will(TOPICS.up_state(DEVICE), b"lost"))
    assert isinstance(connect_once(server, options), Accepted)


def test_who_sends_a_packet_beyond_the_bound_loses_the_connection(server: MqttServerProcess) -> None:
    """A server that passed it on would cost all who hear it theirs."""
    link = PahoLink(MqttOptions((server.address,), DEVICE), 4, None)
    link.open(server.address)
    os.set_blocking(link.fileno(), True)
    while not link.happened:
        link.read()
    link.publish(TOPICS.up_ask(DEVICE), bytes(PACKET_BYTES_MAX + 1), retain=True)
    while not link.lost and not isinstance(link.happened[-1], Answered):
        link.read()
    assert isinstance(link.happened[-1], Lost)


@pytest.mark.parametrize("name", ["", "device", "A" * 32, "d" * 33])
def test_a_name_that_is_no_node_id_stays_out(tmp_path: Path, name: str) -> None:
    process = local_server("embedded", tmp_path, ACCESS)
    process.start()
    assert isinstance(connect_once(process, MqttOptions((process.address,), name)), Lost)
    process.stop()


def test_a_will_in_anothers_name_stays_out_of_the_embedded_server(tmp_path: Path) -> None:
    process = local_server("embedded", tmp_path, ACCESS)
    process.start()
    options = MqttOptions((process.address,), DEVICE, will=Will(TOPICS.up_state(OTHER_DEVICE), b"lost"))
    assert isinstance(connect_once(process, options), Lost)
    process.stop()


@pytest.mark.mosquitto
def test_mosquitto_judges_every_topic_as_the_table_does(tmp_path: Path) -> None:
    process = local_server("mosquitto", tmp_path, ACCESS)
    process.start()
    topics = every_topic(DEVICE) + every_topic(VALIDATOR)
    for node in (DEVICE, VALIDATOR):
        client = Client(MqttTransport(MqttOptions((process.address,), node, limits=FAST)), None).start()
        for token, topic in enumerate(topics):
            client.transport.publish(Publish(topic, b"x", token=token))
        while len(client.tokens()) < len(topics):
            client.wait(Acknowledged)
        allowed = sum(ACCESS.may_publish(node, topic) for topic in topics)
        assert 0 < allowed < len(topics)
        assert client.transport.traffic.denied_count == len(topics) - allowed
        client.transport.stop()
    process.stop()


def test_a_newcomer_gets_no_retained_message_that_others_subscribed_to(server: MqttServerProcess) -> None:
    def client(node: str, *filters: str) -> Client:
        made = Client(MqttTransport(MqttOptions((server.address,), node, limits=FAST)), None)
        made.transport.subscribe(filters)
        return made.start()

    validator = client(VALIDATOR, f"{TOPICS.base}/val/#", f"{TOPICS.base}/up/#")
    validator.transport.publish(Publish(TOPICS.snapshot(VALIDATOR), b"snapshot", retain=True, token=1))
    validator.wait(Acknowledged)
    device = client(DEVICE, *TOPICS.device_filters(DEVICE))
    validator.transport.publish(Publish(TOPICS.down_say(DEVICE, VALIDATOR), b"hello", token=2))
    device.wait(Received)
    assert device.payloads() == [b"hello"]
    for one in (validator, device):
        one.transport.stop()


def test_what_devices_leave_with_the_server_reaches_a_validator_after_its_peers(
    server: MqttServerProcess,
) -> None:
    """Nobody but its writer can clear it, and the server hands it over after every connect."""

    def client(node: str, *filters: str) -> Client:
        made = Client(MqttTransport(MqttOptions((server.address,), node, limits=FAST)), None)
        made.transport.subscribe(filters)
        return made.start()

    def leave(sender: Client, topics: list[str], payload: bytes) -> None:
        for token, topic in enumerate(topics, 1):
            sender.transport.publish(Publish(topic, payload, retain=True, token=token))
            sender.wait(Acknowledged)
        sender.transport.stop()

    leave(client(DEVICE), [TOPICS.up_head(DEVICE, f"{i:064x}") for i in range(LEFT_COUNT)], b"junk")
    leave(client(VALIDATOR), [TOPICS.snapshot(VALIDATOR)], b"snapshot")
    validator = client(VALIDATOR, *TOPICS.validator_filters())
    validator.wait(Received)
    assert validator.payloads()[0] == b"snapshot"
    validator.wait(Received, lambda one: one.payload == b"junk")
    validator.transport.stop()


def test_who_is_admitted_is_heard_after_a_reload(server: MqttServerProcess, tmp_path: Path) -> None:
    def client(node: str) -> Client:
        return Client(MqttTransport(MqttOptions((server.address,), node, limits=FAST)), None)

    newcomer, validator, device = client(OTHER_DEVICE).start(), client(VALIDATOR).start(), client(DEVICE)
    device.transport.subscribe((TOPICS.chain_head("+"),))
    device.start()

    def heard(text: bytes) -> bool:
        """Whether the device gets what the newcomer publishes; a validator's tick comes after it."""
        for node, sender, payload in ((OTHER_DEVICE, newcomer, text), (VALIDATOR, validator, b"tick")):
            sender.transport.publish(Publish(TOPICS.chain_head(node), payload, token=1))
            sender.wait(Acknowledged)
        device.wait(Received, lambda one: one.payload == b"tick")
        return text in device.payloads()

    assert not heard(b"too early")
    assert admit(tmp_path, OTHER_DEVICE)
    server.reload()
    assert any(heard(b"head") for _ in range(RELOAD_TRIES_MAX))
    assert b"too early" not in device.payloads()
    for one in (newcomer, validator, device):
        one.transport.stop()


def every_topic(node: str) -> list[str]:
    return [
        TOPICS.up_head(node, "r"),
        TOPICS.up_chunk(node, "r", 1),
        TOPICS.up_ask(node),
        TOPICS.up_state(node),
        TOPICS.up_ask(node) + "/x",
        TOPICS.down_say(OTHER_DEVICE, node),
        TOPICS.down_chunk(OTHER_DEVICE, node, "r", 1),
        TOPICS.chain_head(node),
        TOPICS.snapshot(node),
        TOPICS.validator_say(node),
        TOPICS.validator_ask(node),
        TOPICS.validator_chunk(node, "r", 1),
        f"{TOPICS.base}/enrol/1/x",
    ]


def test_stop_and_kill_are_final_and_repeatable(server: MqttServerProcess) -> None:
    pid = server.pid
    assert pid is not None
    server.stop()
    server.kill()
    assert not Path(f"/proc/{pid}").exists()
    server.start()
    assert server.pid != pid
    server.kill()
    server.stop()


def test_a_server_that_cannot_start_says_where_to_look(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit(1)"]
    server = MqttServerProcess("broken", ServerAddress(LOOPBACK, free_port()), command, tmp_path / "log")
    with pytest.raises(MqttServerError, match=str(tmp_path / "log")):
        server.start()
    assert server.pid is None


def test_the_embedded_server_ends_with_its_parent(tmp_path: Path) -> None:
    parent = f"""
import os
from pathlib import Path
from broker.mqtt_server.acl import AccessList
from broker.mqtt_server.embedded import local_server
server = local_server(Path({str(tmp_path)!r}), AccessList("0" * 16, frozenset()))
server.start()
print(server.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    dead = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=False)
    assert dead.returncode == -9
    try:
        server = os.pidfd_open(int(dead.stdout))
    except ProcessLookupError:
        return  # ended already
    ended = select.poll()
    ended.register(server, select.POLLIN)
    assert ended.poll(WAIT_S_MAX * 1000)
    os.close(server)
