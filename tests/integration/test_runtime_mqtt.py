"""What only the real MQTT transport can do wrong: hostile and silent servers, failover, TLS."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from broker.mqtt_server import embedded, mosquitto
from broker.mqtt_server.choose import local_server
from broker.mqtt_server.process import MqttServerProcess, free_port
from edge_client.protocol.machine import Acknowledged, LinkLost, LinkUp, Publish, Received
from edge_client.runtime.mqtt import MqttTransport
from edge_client.runtime.mqtt_options import MqttLimits, MqttOptions, ServerAddress
from edge_client.runtime.mqtt_session import HELD_MAX
from edge_client.runtime.tls import TlsError, TlsOptions, client_context
from tests.certificates import issue_client, make_authority
from tests.fault_proxy import FaultProxy
from tests.transport_rigs import ACCESS, DEVICE, FAST, TOPICS, VALIDATOR, WAIT_S_MAX, Client

ASK = TOPICS.up_ask(DEVICE)
CONNACK_V311 = bytes([0x20, 2, 0, 0])
V311_ONLY = bytes([0x20, 2, 0, 1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MqttServerProcess]:
    process = embedded.local_server(tmp_path, ACCESS)
    process.start()
    yield process
    process.stop()


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    with contextlib.ExitStack() as stack:

        def start(
            *servers: ServerAddress,
            node: str = DEVICE,
            limits: MqttLimits = FAST,
            tls: TlsOptions | None = None,
        ) -> Client:
            options = MqttOptions(servers, node, tls=tls or TlsOptions(), limits=limits)
            client = Client(MqttTransport(options), None)
            stack.callback(client.transport.stop)
            return client.start()

        yield start


class FakeServer:
    """Accepts connections and answers each with the next prepared bytes; then listens in silence."""

    def __init__(self, *answers: bytes) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = ServerAddress("127.0.0.1", self._socket.getsockname()[1])
        self._answers = list(answers)
        self._open: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._open.append(connection)
                connection.recv(4096)
                if self._answers:
                    connection.sendall(self._answers.pop(0))
                else:
                    connection.close()

    def close(self) -> None:
        for connection in (self._socket, *self._open):
            connection.close()


@pytest.fixture
def fake() -> Iterator[Callable[..., FakeServer]]:
    made: list[FakeServer] = []

    def make(*answers: bytes) -> FakeServer:
        made.append(FakeServer(*answers))
        return made[-1]

    yield make
    for server in made:
        server.close()


def test_the_next_server_takes_over(server: MqttServerProcess, connect: Callable[..., Client]) -> None:
    dead = ServerAddress("127.0.0.1", free_port())
    client = connect(dead, server.address)
    assert client.seen == [LinkUp(str(server.address))]


def test_a_server_that_dies_without_a_word_is_told_in_words(
    server: MqttServerProcess, connect: Callable[..., Client]
) -> None:
    client = connect(server.address)
    server.kill()
    assert client.wait(LinkLost) == LinkLost("the connection broke")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes([0x20, 0x02, 0x00, 0x05]),  # CONNACK: not authorised
        bytes([0x20, 0x00]),  # CONNACK without content
        bytes([0x20, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),  # a length of five bytes
        bytes([0xF0, 0x00]),  # reserved packet type
        b"",
    ],
)
def test_a_server_that_talks_nonsense_is_left(
    answer: bytes, server: MqttServerProcess, connect: Callable[..., Client], fake: Callable[..., FakeServer]
) -> None:
    limits = replace(FAST, connect_timeout_ms=200)
    client = connect(fake(answer, answer).address, server.address, limits=limits)
    assert client.seen == [LinkUp(str(server.address))]


@pytest.mark.parametrize(
    "packet",
    [
        bytes([0x32, 0x05, 0x00, 0x09]) + b"abc",  # PUBLISH whose topic is longer than the packet
        bytes([0x32, 0x06, 0x00, 0x02, 0xFF, 0xFE, 0x00, 0x01]),  # a topic that is not UTF-8
        bytes([0x40, 0x01, 0x00]),  # half a PUBACK
    ],
)
def test_a_malformed_packet_costs_the_connection_and_nothing_else(
    packet: bytes, server: MqttServerProcess, connect: Callable[..., Client], fake: Callable[..., FakeServer]
) -> None:
    client = connect(fake(V311_ONLY, CONNACK_V311 + packet).address, server.address)
    if client.seen != [LinkUp(str(server.address))]:  # unless the packet came before the link was up
        client.wait(LinkLost)
        assert client.wait(LinkUp) == LinkUp(str(server.address))
    client.transport.publish(Publish(ASK, b"alive", token=1))
    client.wait(Acknowledged)


def test_a_packet_that_is_too_large_is_left_before_it_is_here(
    server: MqttServerProcess, connect: Callable[..., Client], fake: Callable[..., FakeServer]
) -> None:
    """256 MiB, the most that MQTT knows, are announced; the first bytes of them end the connection."""
    largest = bytes([0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1]) + b"t"
    client = connect(fake(V311_ONLY, CONNACK_V311 + largest).address, server.address)
    if client.seen != [LinkUp(str(server.address))]:  # unless the packet came before the link was up
        assert "268435455 bytes, at most 262144" in client.wait(LinkLost).why
        assert client.wait(LinkUp) == LinkUp(str(server.address))


def test_a_server_that_speaks_mqtt_5_is_told_how_much_we_take() -> None:
    """It leaves larger packets out, so nobody who may publish to us can cost us the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = ServerAddress("127.0.0.1", server.getsockname()[1])
        transport = MqttTransport(MqttOptions((address,), DEVICE, limits=FAST))
        transport.start(lambda _event: None)
        with server.accept()[0] as connection:
            connection.settimeout(WAIT_S_MAX)
            packet = connection.recv(4096)
        transport.stop()
    assert bytes([0x27]) + FAST.packet_bytes_taken_max.to_bytes(4, "big") in packet


def test_messages_that_come_before_the_subscription_is_answered_follow_link_up(
    fake: Callable[..., FakeServer],
) -> None:
    publish, suback = bytes([0x30, 4, 0, 1]) + b"tx", bytes([0x90, 3, 0, 1, 1])
    server = fake(V311_ONLY, CONNACK_V311 + publish + suback)
    client = Client(MqttTransport(MqttOptions((server.address,), DEVICE, limits=FAST)), None)
    client.transport.subscribe(("t",))
    client.start()
    assert client.seen == [LinkUp(str(server.address))]
    assert client.wait(Received) == Received("t", b"x")
    client.transport.stop()


def test_a_flood_instead_of_an_answer_costs_the_connection(
    server: MqttServerProcess, fake: Callable[..., FakeServer]
) -> None:
    publish = bytes([0x30, 4, 0, 1]) + b"tx"
    flood = fake(V311_ONLY, CONNACK_V311 + publish * (HELD_MAX + 1))
    options = MqttOptions((flood.address, server.address), DEVICE, limits=FAST)
    client = Client(MqttTransport(options), None)
    client.transport.subscribe(("t",))
    client.start()
    assert client.seen == [LinkUp(str(server.address))]
    client.transport.stop()


def test_no_publish_before_the_subscription_is_answered(
    connect: Callable[..., Client], fake: Callable[..., FakeServer]
) -> None:
    limits = replace(FAST, keepalive_s=1, answer_timeout_ms=300)
    client = connect(fake(V311_ONLY, CONNACK_V311).address, limits=limits)
    client.transport.subscribe(("t",))
    client.transport.publish(Publish("t", b"a question"))
    client.wait(LinkLost)
    assert client.transport.traffic.up_messages == 0


def test_what_is_asked_for_again_is_heard_at_most_once() -> None:
    """The last byte of each filter in SUBSCRIBE; at QoS 1 a device would confirm each piece of each model."""
    say, chunks = TOPICS.device_filters(DEVICE)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = ServerAddress("127.0.0.1", server.getsockname()[1])
        transport = MqttTransport(MqttOptions((address,), DEVICE, at_most_once=(chunks,), limits=FAST))
        transport.subscribe((say, chunks))
        transport.start(lambda _event: None)
        with server.accept()[0] as connection:
            connection.settimeout(WAIT_S_MAX)
            connection.recv(4096)
            connection.sendall(bytes([0x20, 3, 0, 0, 0]))
            packet = connection.recv(4096)
        transport.stop()
    assert packet[0] == 0x82
    assert say.encode() + bytes([1]) in packet
    assert chunks.encode() + bytes([0]) in packet


def test_a_half_open_link_is_noticed(server: MqttServerProcess, connect: Callable[..., Client]) -> None:
    proxy = FaultProxy((server.address.host, server.address.port))
    proxy.start()
    client = connect(ServerAddress("127.0.0.1", proxy.port), limits=replace(FAST, keepalive_s=1))
    proxy.pause()
    client.wait(LinkLost)
    proxy.resume()
    client.wait(LinkUp)
    proxy.stop()


def test_a_lost_answer_does_not_close_the_window_for_ever(
    connect: Callable[..., Client], fake: Callable[..., FakeServer], server: MqttServerProcess
) -> None:
    limits = replace(FAST, keepalive_s=1, answer_timeout_ms=300)
    client = connect(fake(V311_ONLY, CONNACK_V311).address, server.address, limits=limits)
    client.transport.publish(Publish(ASK, b"never answered"))
    assert client.wait(LinkLost) == LinkLost("no answer in time")
    client.wait(LinkUp)


@pytest.mark.mosquitto
@pytest.mark.parametrize("cut_after_bytes", [10_000, 150_000, 300_000])
def test_every_chunk_arrives_although_the_link_breaks(
    tmp_path: Path, connect: Callable[..., Client], cut_after_bytes: int
) -> None:
    """Not on the embedded server: it drops acknowledged messages when their sender's connection breaks."""
    server = local_server("mosquitto", tmp_path, ACCESS)
    server.start()
    validator = connect(server.address, node=VALIDATOR)
    validator.transport.subscribe(TOPICS.validator_filters())
    validator.transport.publish(Publish(TOPICS.chain_head(VALIDATOR), b"", token=1))
    validator.wait(Acknowledged)
    proxy = FaultProxy((server.address.host, server.address.port))
    proxy.start()
    device = connect(ServerAddress("127.0.0.1", proxy.port))
    chunks = [TOPICS.up_chunk(DEVICE, "r", index) for index in range(26)]
    missing = set(chunks)
    proxy.cut_after(cut_after_bytes)
    for topic in chunks:
        device.transport.publish(Publish(topic, bytes(16_384)))
    while missing:
        missing.discard(validator.wait(Received).topic)
    device.wait(LinkLost)
    proxy.stop()
    server.stop()


def test_asleep_there_is_no_thread(server: MqttServerProcess, connect: Callable[..., Client]) -> None:
    client = connect(server.address)
    for _ in range(2):
        client.transport.sleep()
        for thread in threading.enumerate():
            if thread.name == "mqtt":
                thread.join(WAIT_S_MAX)
        assert not [thread for thread in threading.enumerate() if thread.name == "mqtt"]
        client.transport.wake()
        client.wait(LinkUp)


def test_a_sleep_during_an_attempt_to_connect_is_kept(
    server: MqttServerProcess, fake: Callable[..., FakeServer], connect: Callable[..., Client]
) -> None:
    silent = fake(b"")
    transport = MqttTransport(MqttOptions((silent.address, server.address), DEVICE, limits=FAST))
    client = Client(transport, None)
    transport.start(client._queue.put)
    transport.sleep()
    transport.wake()
    client.wait(LinkUp)
    assert [type(event) for event in client.seen] == [LinkUp]
    transport.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `make_authority` fills it."""
    folder = tmp_path_factory.mktemp("tls")
    make_authority(folder)
    return folder


def fingerprint(pem: Path) -> bytes:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.read_text())).digest()


@pytest.fixture
def tls_server(authority: Path) -> Iterator[ServerAddress]:
    """Only the TLS part of a server: shakes hands and closes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with (
                    contextlib.suppress(OSError),
                    context.wrap_socket(connection, server_side=True) as wrapped,
                ):
                    wrapped.recv(1)

    threading.Thread(target=run, daemon=True).start()
    yield ServerAddress("localhost", listening.getsockname()[1], tls=True)
    listening.close()


def shake_hands(context: ssl.SSLContext, address: ServerAddress) -> None:
    with socket.create_connection((address.host, address.port)) as plain:
        context.wrap_socket(plain, server_hostname=address.host).close()


def test_a_pinned_fingerprint_is_all_a_device_needs(authority: Path, tls_server: ServerAddress) -> None:
    options = TlsOptions(ca_sha256=fingerprint(authority / "ca.pem"))
    shake_hands(client_context(options, tls_server.host, tls_server.port, 5), tls_server)


def test_another_authority_is_refused(authority: Path, tls_server: ServerAddress) -> None:
    with pytest.raises(TlsError, match="does not show the certificate"):
        client_context(TlsOptions(ca_sha256=bytes(32)), tls_server.host, tls_server.port, 5)
    with pytest.raises(TlsError, match="does not hold the certificate"):
        client_context(TlsOptions(ca_file=authority / "ca.pem", ca_sha256=bytes(32)), "localhost", 1, 5)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(client_context(TlsOptions(), tls_server.host, tls_server.port, 5), tls_server)


def test_the_host_name_counts_even_when_the_authority_is_pinned(
    authority: Path, tls_server: ServerAddress
) -> None:
    options = TlsOptions(ca_sha256=fingerprint(authority / "ca.pem"))
    elsewhere = replace(tls_server, host="127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(client_context(options, elsewhere.host, elsewhere.port, 5), elsewhere)


def test_unusable_certificate_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match="absent"):
        client_context(TlsOptions(ca_file=tmp_path / "absent"), "localhost", 1, 5)
    (tmp_path / "rubbish").write_text("rubbish")
    with pytest.raises(TlsError, match="rubbish"):
        client_context(TlsOptions(cert_file=tmp_path / "rubbish"), "localhost", 1, 5)


@pytest.mark.mosquitto
def test_mqtt_over_tls_with_client_certificates(
    authority: Path, tmp_path: Path, connect: Callable[..., Client]
) -> None:
    address = ServerAddress("localhost", free_port(), tls=True)
    acl_file, config_file = tmp_path / "acl", tmp_path / "conf"
    acl_file.write_text(mosquitto.acl_text(ACCESS))
    tls = mosquitto.ServerTls(authority / "ca.pem", authority / "server.pem", authority / "server.key")
    config_file.write_text(mosquitto.config_text(address, acl_file, tls, user="root"))
    binary = mosquitto.find_binary()
    assert binary is not None
    process = MqttServerProcess("mosquitto", address, [binary, "-c", str(config_file)], tmp_path / "log")
    process.start()
    issue_client(authority, "device", DEVICE)
    pin, folder = fingerprint(authority / "ca.pem"), authority
    options = TlsOptions(ca_sha256=pin, cert_file=folder / "device.pem", key_file=folder / "device.key")
    device = connect(address, tls=options)
    device.transport.publish(Publish(ASK, bytes(100_000), token=1))
    device.transport.publish(Publish(TOPICS.up_ask("e" * 32), b"forged", token=2))
    device.wait(Acknowledged, lambda answer: answer.token == 2)
    assert device.transport.traffic.denied_count == 1
    process.stop()
