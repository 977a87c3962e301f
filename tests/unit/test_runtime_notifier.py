from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_client.protocol.machine import Woke
from edge_client.runtime.clock import SystemClock
from edge_client.runtime.loop import EventLoop, LoopLimits
from edge_client.runtime.notifier import STATUS_CHARS_MAX, Notifier

WATCHDOG_US = 60_000_000


class Listening:
    """The service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        words = []
        while True:
            try:
                words.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return words


@pytest.fixture
def address(tmp_path: Path) -> str:
    return str(tmp_path / "notify")


@pytest.fixture
def listening(address: str) -> Iterator[Listening]:
    end = Listening(address)
    yield end
    end.socket.close()


@pytest.fixture
def now_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(f"{Notifier.__module__}.time.monotonic", lambda: now[0])
    return now


def test_it_is_ready_once_then_alive_at_half_of_the_interval(
    address: str, listening: Listening, now_s: list[float]
) -> None:
    notifier = Notifier(address, WATCHDOG_US)
    notifier.alive()
    assert listening.heard() == ["READY=1\nWATCHDOG=1"]
    now_s[0] += 29.9
    notifier.alive()
    assert listening.heard() == []
    now_s[0] += 0.1
    notifier.alive()
    assert listening.heard() == ["WATCHDOG=1"]


def test_without_a_watchdog_it_is_only_ready(address: str, listening: Listening, now_s: list[float]) -> None:
    notifier = Notifier(address)
    for _ in range(3):
        notifier.alive()
        now_s[0] += 1e6
    assert listening.heard() == ["READY=1\nWATCHDOG=1"]
    assert notifier.look_ms_max is None


def test_the_loop_looks_twice_as_often_as_it_must_be_heard() -> None:
    assert Notifier("/x", WATCHDOG_US).look_ms_max == 15_000
    assert Notifier("/x", 1).look_ms_max == 1
    assert Notifier("", WATCHDOG_US).look_ms_max is None


def test_an_abstract_address(now_s: list[float]) -> None:
    name = f"edge-client-test-{id(now_s)}"
    listening = Listening("\0" + name)
    Notifier("@" + name).stopping()
    assert listening.heard()[0].startswith("STOPPING=1\nEXTEND_TIMEOUT_USEC=")
    listening.socket.close()


def test_a_status_is_one_line_within_a_bound(address: str, listening: Listening) -> None:
    Notifier(address).status("no\nREADY=1 " + "x" * 999)
    (word,) = listening.heard()
    assert word.startswith("STATUS=no READY=1 x")
    assert "\n" not in word
    assert len(word) == len("STATUS=") + STATUS_CHARS_MAX


def test_nobody_listening_disturbs_nothing(address: str) -> None:
    for notifier in (
        Notifier(),
        Notifier(address, WATCHDOG_US),
        Notifier("/no/such/folder"),
    ):
        notifier.starting()
        notifier.alive()
        notifier.status("x")
        notifier.stopping()


def test_a_manager_that_does_not_read_blocks_nothing(address: str, listening: Listening) -> None:
    notifier = Notifier(address)
    for number in range(10_000):
        notifier.status(str(number))
    assert 0 < len(listening.heard()) < 10_000


class Hanging:
    """A machine that can be made to hang."""

    def __init__(self) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()

    def handle(self, event: object, now_ms: int) -> list[object]:
        self.entered.set()
        assert self.go_on.wait(60)
        return []

    def deadline(self) -> int | None:
        return None


def test_a_loop_that_hangs_is_silent_although_other_threads_live() -> None:
    beats: list[int] = []
    machine = Hanging()
    beaten = threading.Event()

    def beat() -> None:
        beats.append(1)
        beaten.set()

    loop: EventLoop[object, object] = EventLoop(
        machine, {}, SystemClock(), LoopLimits(nap_ms_max=1), alive=beat
    )
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert beaten.wait(60)
    loop.post(Woke())
    assert machine.entered.wait(60)
    silent = len(beats)
    loop.post(Woke())
    assert len(beats) == silent
    loop.request_stop()
    machine.go_on.set()
    thread.join(60)
    assert len(beats) > silent
