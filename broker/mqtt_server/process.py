"""An MQTT server as a child process: start it, know when it listens, stop it."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edge_client.runtime.mqtt_options import ServerAddress

LOOPBACK = "127.0.0.1"
START_MS_MAX = 60_000
STOP_MS_MAX = 5_000
PORTS = range(20_000, 32_768)
"""Below what Linux, macOS and Windows give to outgoing connections."""
PORTS_TRIED_MAX = 100
_POLL_MS = 20


class MqttServerError(Exception):
    """The MQTT server could not be started; the text is one sentence for the user."""


class MqttServerProcess:
    """One server that can be stopped, killed and started again on the same port, with its memory gone."""

    def __init__(self, name: str, address: ServerAddress, command: list[str], log_file: Path) -> None:
        self.name = name
        """`embedded` or `mosquitto`."""
        self.address = address
        self._command = command
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the running server."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Return when it accepts connections; MqttServerError, naming the log, when it does not."""
        with self._log_file.open("ab") as log:
            # Its own session: a Ctrl-C in the terminal is ours to handle, the server goes last.
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                self._command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        if not _wait(self._answers_or_died, START_MS_MAX) or self._process.poll() is not None:
            self.kill()
            raise MqttServerError(f"the MQTT server ({self.name}) did not start; see {self._log_file}")

    def stop(self) -> None:
        """Ask it to end and wait for it; harmless when it is not running."""
        if self._process is None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_MS_MAX / 1000)
        self.kill()

    def reload(self) -> None:
        """Make it read its access list again; who is connected stays so."""
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it at once."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None

    def _answers_or_died(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None or _accepts(self.address)


def free_port() -> int:
    """A TCP port on the loopback interface that nobody uses at this moment, and that no outgoing connection
    takes while the server is down; drawn, so that two who ask at once get different ones."""
    for port in random.sample(PORTS, PORTS_TRIED_MAX):
        with suppress(OSError), socket.socket() as probe:
            probe.bind((LOOPBACK, port))
            return port
    raise MqttServerError(f"{PORTS_TRIED_MAX} ports of {LOOPBACK} were tried and all are in use")


def _accepts(address: ServerAddress) -> bool:
    try:
        with socket.create_connection((address.host, address.port), 1):
            return True
    except OSError:
        return False


def _wait(condition: Callable[[], bool], limit_ms: int) -> bool:
    end = time.monotonic() + limit_ms / 1000
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(_POLL_MS / 1000)
    return True
