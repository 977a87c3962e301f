"""What a real MQTT server does to a device that is not welcome, and what the device then says.

The client is the device's own transport; what it logs is what its owner reads.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import queue
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from broker.mqtt_server import mosquitto
from broker.mqtt_server.process import MqttServerProcess, free_port
from edge_client.protocol.machine import Acknowledged, LinkLost, LinkUp, Publish
from edge_client.runtime.link_fault import SHORT_LINKS, UNANSWERED_TLS
from edge_client.runtime.mqtt import MqttTransport
from edge_client.runtime.mqtt_options import MqttOptions, ServerAddress
from edge_client.runtime.reconnect import SHORT_IN_A_ROW
from edge_client.runtime.tls import TlsOptions
from tests.certificates import issue_client, make_authority
from tests.transport_rigs import ACCESS, DEVICE, FAST, OTHER_DEVICE, TOPICS, WAIT_S_MAX, Client

pytestmark = pytest.mark.mosquitto
Start = Callable[..., MqttServerProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts Mosquitto as `init` sets it up, with lines added."""
    with contextlib.ExitStack() as stack:

        def run(*more: str, tls: mosquitto.ServerTls | None = None) -> MqttServerProcess:
            address = ServerAddress("localhost" if tls else "127.0.0.1", free_port(), tls is not None)
            (tmp_path / "acl").write_text(mosquitto.acl_text(ACCESS))
            text = mosquitto.config_text(address, tmp_path / "acl", tls, user="root")
            kept = [
                one for one in text.splitlines() if one.split()[0] not in {new.split()[0] for new in more}
            ]
            (tmp_path / "conf").write_text("\n".join([*kept, *more]) + "\n")
            command = [mosquitto.find_binary() or "mosquitto", "-c", str(tmp_path / "conf")]
            process = MqttServerProcess("mosquitto", address, command, tmp_path / "log")
            process.start()
            stack.callback(process.stop)
            return process

        yield run


class Lines(logging.Handler):
    """What the client logs."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        self._queue.put(record.getMessage())

    def wait(self, event: str, words: str = "") -> str:
        """The next line of this event that holds these words."""
        while True:
            text = self._queue.get(timeout=WAIT_S_MAX)
            if text.split(" ", 1)[0] == event and words in text:
                return text


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, logger = Lines(), logging.getLogger("edge_client.runtime")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """A client that is started; it need not get in."""
    with contextlib.ExitStack() as stack:

        def make(
            address: ServerAddress, tls: TlsOptions | None = None, password: str | None = None
        ) -> Client:
            options = MqttOptions((address,), DEVICE, password, tls or TlsOptions(), limits=FAST)
            client = Client(MqttTransport(options), None)
            stack.callback(client.transport.stop)
            return client.start_only()

        yield make


@pytest.mark.parametrize("password", [None, "wrong"])
def test_a_wrong_password(
    start: Start, connect: Callable[..., Client], lines: Lines, tmp_path: Path, password: str | None
) -> None:
    subprocess.run(["mosquitto_passwd", "-b", "-c", tmp_path / "pw", DEVICE, "right"], check=True)
    server = start("allow_anonymous false", f"password_file {tmp_path / 'pw'}")
    connect(server.address, password=password)
    said = lines.wait("connect_failed")
    assert "the server refuses us: Not authorized" in said
    assert "mqtt.password_file" in said
    connect(server.address, password="right").wait(LinkUp)


def test_a_smaller_packet_than_a_chunk_is_said_before_anything_is_lost(
    start: Start, connect: Callable[..., Client], lines: Lines
) -> None:
    client = connect(start("max_packet_size 10000").address)
    said = lines.wait("server_takes_too_little")
    assert "takes_bytes=10000" in said
    assert "max_packet_size" in said
    assert client.wait(LinkUp).packet_bytes_max == 10_000
    client.transport.publish(Publish(TOPICS.up_chunk(DEVICE, "r", 0), bytes(16_384), token=1))
    assert client.wait(Acknowledged) == Acknowledged(1, delivered=False)
    assert "packet_bytes=" in lines.wait("publish_oversize")
    assert client.transport.traffic.dropped_oversize_count == 1


def test_a_second_process_of_the_same_key(start: Start, connect: Callable[..., Client], lines: Lines) -> None:
    """Mosquitto 2.0 closes the older connection without a word: both sides see that it goes on so."""
    server = start()
    first = connect(server.address)
    first.wait(LinkUp)
    connect(server.address)
    for _ in range(SHORT_IN_A_ROW):
        first.wait(LinkLost)
    lines.wait("link_lost", SHORT_LINKS.mend)


@pytest.mark.parametrize("version", [4, 5])
def test_a_forbidden_publish_is_loud_on_mqtt_5_and_silent_on_3_1_1(
    start: Start, connect: Callable[..., Client], lines: Lines, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_client.runtime.mqtt._Versions.next", lambda _self, _address: version)
    client = connect(start().address)
    client.wait(LinkUp)
    client.transport.publish(Publish(TOPICS.up_ask(OTHER_DEVICE), b"forged", token=1))
    client.transport.publish(Publish(TOPICS.up_ask(DEVICE), b"own", token=2))
    client.wait(Acknowledged, lambda answer: answer.token == 2)
    assert client.transport.traffic.denied_count == (1 if version == 5 else 0)
    if version == 5:
        assert "Not authorized" in lines.wait("denied_by_server")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    make_authority(folder)
    issue_client(folder, "device", DEVICE)
    return folder


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificate(folder: Path, kind: str, into: Path) -> mosquitto.ServerTls:
    """A server's certificate that is `expired`, or for another `host`, or `fine`."""
    name = "elsewhere.example" if kind == "host" else "localhost"
    begins, ends = (
        ("20200101000000Z", "20200102000000Z")
        if kind == "expired"
        else ("20200101000000Z", "20991231000000Z")
    )
    (into / "san").write_text(f"subjectAltName=DNS:{name}")
    (into / "index").write_text("")
    (into / "ca.conf").write_text(
        "[ca]\ndefault_ca=x\n[x]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\n"
        "policy=p\nrand_serial=yes\n[p]\ncommonName=supplied\n"
    )
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "s.key"]
    openssl(into, "req", *new, "-out", "s.csr", "-subj", "/CN=server")
    signer = ["-cert", str(folder / "ca.pem"), "-keyfile", str(folder / "ca.key")]
    dates = ["-startdate", begins, "-enddate", ends]
    openssl(
        into,
        "ca",
        "-batch",
        "-config",
        "ca.conf",
        *signer,
        *dates,
        "-extfile",
        "san",
        "-in",
        "s.csr",
        "-out",
        "s.pem",
        "-notext",
    )
    (into / "s.pem").write_text((into / "s.pem").read_text() + (folder / "ca.pem").read_text())
    return mosquitto.ServerTls(folder / "ca.pem", into / "s.pem", into / "s.key")


MISFITS = {
    "expired": ("has expired", "date"),
    "host": ("another host name", "name in the certificate"),
    "authority": ("no authority that is trusted here", "mqtt.ca_file"),
    "no certificate": ("not accept this node's certificate", "mqtt.cert_file"),
}


@pytest.fixture(params=MISFITS)
def misfit(
    request: pytest.FixtureRequest, authority: Path, start: Start, tmp_path: Path
) -> tuple[str, ServerAddress, TlsOptions]:
    """What does not fit, the server, and what the device goes there with."""
    kind = request.param
    server = start(tls=certificate(authority, kind, tmp_path))
    pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert((authority / "ca.pem").read_text())).digest()
    own = TlsOptions(ca_sha256=pin, cert_file=authority / "device.pem", key_file=authority / "device.key")
    if kind == "authority":
        own = replace(own, ca_sha256=None)
    if kind == "no certificate":
        own = TlsOptions(ca_sha256=pin)
    return kind, server.address, own


class ResettingServer(threading.Thread):
    """Speaks TLS, takes the CONNECT, and resets the connection without a word."""

    def __init__(self, tls: mosquitto.ServerTls) -> None:
        super().__init__(daemon=True)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(tls.cert_file, tls.key_file)
        self._listener = socket.create_server(("localhost", 0))
        self.address = ServerAddress("localhost", self._listener.getsockname()[1], tls=True)

    def run(self) -> None:
        with contextlib.suppress(OSError):  # closed by the test
            while True:
                plain, _ = self._listener.accept()
                with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as peer:
                    peer.recv(1)
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.join(WAIT_S_MAX)


def test_a_refused_certificate_is_named_even_if_the_alert_is_lost(
    authority: Path, connect: Callable[..., Client], lines: Lines, tmp_path: Path
) -> None:
    server = ResettingServer(certificate(authority, "no certificate", tmp_path))
    server.start()
    pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert((authority / "ca.pem").read_text())).digest()
    connect(server.address, tls=TlsOptions(ca_sha256=pin))
    said = lines.wait("connect_failed")
    server.stop()
    assert UNANSWERED_TLS.why in said
    assert UNANSWERED_TLS.mend in said


def test_certificates_that_do_not_fit(
    misfit: tuple[str, ServerAddress, TlsOptions], connect: Callable[..., Client], lines: Lines
) -> None:
    kind, address, own = misfit
    connect(address, tls=own)
    said = lines.wait("connect_failed")
    for words in MISFITS[kind]:
        assert words in said
