"""The real agent below a faithful copy of systemd's notify socket and watchdog; below systemd where it is."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from edge_client.config import device_toml, read_config
from edge_client.device_folder import CONFIG_FILE, KEY_FILE
from edge_client.installing import SYSTEMD_RUNS, run_command
from edge_client.protocol.join import Join
from edge_client.runtime.keystore import create_seed
from edge_client.runtime.notifier import START_S_MAX
from edge_client.service_unit import service_files, service_of

WATCHDOG_S = 3.0
WAIT_S_MAX = 60.0
JOIN = Join(("mqtt://127.0.0.1:1",), bytes(range(32))).text()
"""A server that nothing listens on: the agent lives, and goes on trying."""


class Systemd:
    """What systemd is to a service of Type=notify: a socket that knows who speaks (NotifyAccess=main), and a
    watchdog whose time begins anew with each WATCHDOG=1."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(self.address)
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, script: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": self.address,
            "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
        }
        command = [sys.executable, "-m", script, "run", *map(str, arguments)]
        self.processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        return self.processes[-1]

    def word(self, timeout_s: float) -> str | None:
        """The next assignment-block of the main process; None when it says nothing for so long."""
        self.socket.settimeout(timeout_s)
        try:
            text, credentials, _flags, _sender = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
        except TimeoutError:
            return None
        pid, _uid, _gid = struct.unpack("3i", credentials[0][2][:12])
        assert pid == self.processes[-1].pid
        return text.decode()

    def words_until(self, wanted: str) -> list[str]:
        words: list[str] = []
        while not words or not words[-1].startswith(wanted):
            word = self.word(WAIT_S_MAX)
            assert word is not None, f"no {wanted} after {words}"
            words.append(word)
        return words

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    manager = Systemd(tmp_path)
    yield manager
    manager.close()


def make_device(state: Path) -> None:
    """A device whose key lies elsewhere, as a credential does."""
    state.mkdir(parents=True)
    np.savez(state / "data.npz", x=np.zeros((8, 3), np.uint8), y=np.arange(8) % 2)
    (state / CONFIG_FILE).write_text(device_toml(JOIN, "npz:data.npz"))


@pytest.fixture
def arguments(tmp_path: Path) -> list[str | Path]:
    make_device(tmp_path / "state")
    create_seed(tmp_path / "credential")
    return ["--state", tmp_path / "state", "--key-file", tmp_path / "credential"]


def test_it_says_how_it_starts_lives_and_ends(systemd: Systemd, arguments: list[str | Path]) -> None:
    process = systemd.start("edge_client.cli", *arguments)
    assert systemd.words_until("READY") == [
        f"STATUS=starting\nEXTEND_TIMEOUT_USEC={START_S_MAX * 1_000_000}",
        "READY=1\nWATCHDOG=1",
    ]
    assert "STATUS=joining" in systemd.words_until("WATCHDOG=1")
    systemd.words_until("WATCHDOG=1")
    process.send_signal(signal.SIGTERM)
    assert systemd.words_until("STOPPING")[-1].startswith("STOPPING=1\nEXTEND_TIMEOUT_USEC=")
    assert process.wait(WAIT_S_MAX) == 0


def test_a_loop_that_hangs_is_heard_of_no_more(systemd: Systemd, arguments: list[str | Path]) -> None:
    process = systemd.start("tests.integration.hanging_device", *arguments)
    systemd.words_until("WATCHDOG=1")
    process.send_signal(signal.SIGUSR1)
    while (word := systemd.word(WATCHDOG_S)) is not None:  # what it said before the signal came
        assert "READY" not in word
    assert process.poll() is None
    process.send_signal(signal.SIGABRT)  # what systemd does then, and Restart=on-failure follows
    assert process.wait(WAIT_S_MAX) == -signal.SIGABRT


def test_a_mistake_is_told_before_it_is_ready(systemd: Systemd, arguments: list[str | Path]) -> None:
    process = systemd.start("edge_client.cli", *arguments[:2], "--key-file", "/nowhere")
    assert process.wait(WAIT_S_MAX) == 2
    assert systemd.word(0.001) is None


class TestUnderSystemd:
    """A real start, as root, of a unit of our own that exists until the next boot at most."""

    NAME: ClassVar = f"edge-client-test-{os.getpid()}"

    @pytest.fixture
    def unit(self) -> Iterator[str]:
        if not SYSTEMD_RUNS.is_dir() or os.geteuid() != 0 or shutil.which("systemctl") is None:
            pytest.skip("needs systemd as the running init, and root")
        state, key = Path("/var/lib") / self.NAME, Path("/run") / self.NAME / KEY_FILE
        make_device(state)
        key.parent.mkdir()
        create_seed(key)
        config = state / CONFIG_FILE
        config.write_text(config.read_text().replace(f'"{KEY_FILE}"', f'"{key}"', 1))
        service = service_of(state)
        unit = Path("/run/systemd/system") / service.unit.name
        unit.write_text(service_files(service, read_config(state))[service.unit])
        run_command(["systemctl", "daemon-reload"])
        yield unit.name
        subprocess.run(["systemctl", "stop", unit.name], check=False)
        unit.unlink()
        subprocess.run(["systemctl", "daemon-reload"], check=False)
        for path in (state, Path("/var/lib/private") / self.NAME, key.parent):
            path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)

    def test_it_starts_is_ready_and_stops(self, unit: str) -> None:
        run_command(["systemctl", "start", unit])  # returns when READY=1 was said
        shown = run_command(["systemctl", "show", unit, "--property=ActiveState,StatusText"])
        assert "ActiveState=active" in shown
        run_command(["systemctl", "stop", unit])
        assert "Result=success" in run_command(["systemctl", "show", unit, "--property=Result"])
