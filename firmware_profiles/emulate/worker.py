"""A process of up to 250 emulated devices: one event loop, one clock, one training interpreter."""

from __future__ import annotations

import logging
import resource
import signal
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from broker.core.verified import VerifyOnce
from broker.founding import GRAPH_FILE
from edge_client.protocol.keys import verify
from edge_client.runtime.allocator import spare_memory
from edge_client.runtime.loop import EventLoop
from firmware_profiles.emulate.beginning import begun
from firmware_profiles.emulate.child_log import logged_to
from firmware_profiles.emulate.crowd import Crowd, Due, Wanted
from firmware_profiles.emulate.device import Around, EmulatedShell
from firmware_profiles.emulate.pace import agent_timing, loop_limits, mqtt_limits
from firmware_profiles.emulate.plan import CHAIN_FOLDER, NEW_DEVICE_FOLDER, SHARES_FILE, Counted, Crew, Pulse
from firmware_profiles.fleet.device import FleetDevice
from firmware_profiles.fleet.founding import MIDNIGHT_MS
from firmware_profiles.fleet.training import RealTraining, SharedGraph
from firmware_profiles.lesson.shares import read_shares
from firmware_profiles.report.tally import Tally
from firmware_profiles.twin.members import members

STACK_BYTES = 256 << 10
"""Of the thread of an MQTT client."""
FILES_PER_CLIENT = 12
"""Database with its two companions, sockets, and what is open for a moment."""
PULSE_WALL_MS = 500
VERDICTS_MAX = 1 << 16
JOINING_MAX = 4
"""So many boards fetch graph and model at a time: all at once, they would wait for answers so long that they
ask again and again."""
JOINS_WALL_MS, LOOK_WALL_MS = 10_000, 50


def run_worker(crew: Crew, parent: Connection) -> None:
    """Run until the parent says so, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the parent has it, too, and decides
    spare_memory()
    threading.stack_size(STACK_BYTES)
    _allow_files(len(crew.numbers) * FILES_PER_CLIENT)
    with logged_to(crew.emulation.folder / f"{crew.name}.log", logging.WARNING):
        plan = begun(crew.emulation, parent)
        _Worker(replace(crew, emulation=plan), parent).run()


def stop_with(parent: Connection, stop: Callable[[], None]) -> None:
    """Call `stop` when the parent sends anything, or dies."""

    def wait() -> None:
        with suppress(EOFError, OSError):
            parent.recv()
        stop()

    threading.Thread(target=wait, name="parent", daemon=True).start()


class _Worker:
    def __init__(self, crew: Crew, parent: Connection) -> None:
        plan = crew.emulation
        self._crew = crew
        self._parent = parent
        self._clock = plan.clock
        self._crowd = Crowd()
        self._tally = Tally.over(MIDNIGHT_MS, plan.span_ms)
        effects: dict[type[Any], Callable[[Any], None]] = {Wanted: self._execute, Due: lambda one: one.step()}
        self._loop: EventLoop[Any, Any] = EventLoop(self._crowd, effects, self._clock, loop_limits())
        self._devices: dict[int, FleetDevice] = {}
        self._shells: dict[int, EmulatedShell] = {}
        self._waiting: deque[int] = deque()
        """Devices whose time to be switched on has come."""

    def run(self) -> None:
        """Until told to stop; then say what was counted."""
        stop_with(self._parent, self._loop.request_stop)
        self._populate()
        self._pulse()
        self._loop.run()
        for device in self._devices.values():
            device.finish()
        accounts = {number: one.setup.identity.signer.public_key for number, one in self._devices.items()}
        with suppress(OSError):  # the parent is gone
            self._parent.send(Counted(self._tally, accounts, self._crowd.dropped_count))

    def _populate(self) -> None:
        """All devices, none of them started."""
        crew, plan, fleet = self._crew, self._crew.emulation, self._crew.emulation.fleet
        shares = read_shares(plan.folder / SHARES_FILE)
        around = Around(
            crowd=self._crowd,
            post=self._loop.post,
            clock=self._clock,
            servers=crew.servers,
            limits=mqtt_limits(plan.speed),
            folder=plan.folder / "devices",
            new=plan.folder / NEW_DEVICE_FOLDER,
            train=RealTraining(shares, SharedGraph(plan.folder / CHAIN_FOLDER / GRAPH_FILE)),
            injected=self._tally.injected,
        )
        remember, timing = VerifyOnce(verify, VERDICTS_MAX), agent_timing(plan.speed)
        crowd = members(fleet)
        for number in crew.numbers:
            setup = plan.founding.device(crowd[number], crew.chain_id, remember, timing)
            self._tally.watch(crowd[number])
            self._shells[number] = EmulatedShell(around, setup)
            self._devices[number] = FleetDevice(setup, self._shells[number], self._tally)
            self._crowd.later(MIDNIGHT_MS + setup.power_up_ms, partial(self._want_on, number))

    def _want_on(self, number: int) -> None:
        """The time of this board has come."""
        self._waiting.append(number)
        if len(self._waiting) == 1:
            self._switch_on()

    def _switch_on(self) -> None:
        """Boards that wait, as fast as the machine lets them join."""
        speed = self._crew.emulation.speed
        joining = sum(one.is_joining(round(JOINS_WALL_MS * speed)) for one in self._devices.values())
        for _ in range(min(len(self._waiting), max(0, JOINING_MAX - joining))):
            self._devices[self._waiting.popleft()].power_up()
        if self._waiting:
            self._crowd.later(self._clock.now_ms() + round(LOOK_WALL_MS * speed), self._switch_on)

    def _execute(self, wanted: Wanted) -> None:
        self._shells[wanted.place.number].execute(wanted.place, wanted.effect)

    def _pulse(self) -> None:
        """How it goes, twice a second of the wall."""
        boards = [one.setup.board for one in self._devices.values()]
        joules = sum(one.training_j + one.radio_j for one in boards)
        running = [one.twin.agent for one in self._devices.values() if one.twin is not None]
        heads = [one.participant.sync.head.learning.round for one in running if one.participant is not None]
        with suppress(OSError):
            self._parent.send(Pulse(joules, len(running), max(heads, default=0)))
        speed = self._crew.emulation.speed
        self._crowd.later(self._clock.now_ms() + round(PULSE_WALL_MS * speed), self._pulse)


def _allow_files(count: int) -> None:
    """As many open files as the devices need, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
