"""A process of up to 250 emulated devices: one event loop, one clock, one training interpreter."""

from __future__ import annotations

import logging
import resource
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from broker.core.verified import VerifyOnce
from edge_client.core.identity import Identity
from edge_client.protocol.keys import Signer, verify
from edge_client.runtime import logs
from edge_client.runtime.allocator import spare_memory
from edge_client.runtime.loop import EventLoop
from firmware_profiles.emulate.crowd import Crowd, Due, Wanted
from firmware_profiles.emulate.data import read_shares
from firmware_profiles.emulate.device import Around, EmulatedDevice
from firmware_profiles.emulate.faults import moments
from firmware_profiles.emulate.pace import agent_timing, loop_limits, mqtt_limits
from firmware_profiles.emulate.plan import MIDNIGHT_MS, NEW_DEVICE_FOLDER, SHARES_FILE, Counted, Crew, Pulse
from firmware_profiles.emulate.training import SharedTrainer
from firmware_profiles.report.tally import Points, Tally, floor_of
from firmware_profiles.simulate.device import RESTART_MS, DeviceSetup
from firmware_profiles.twin.draws import drawn, share
from firmware_profiles.twin.members import Member, board_of, members, online_of

STACK_BYTES = 256 << 10
"""Of the thread of an MQTT client."""
FILES_PER_CLIENT = 12
"""Database with its two companions, sockets, and what is open for a moment."""
PULSE_WALL_MS = 500
TRACES_OF_A_GROUP = 2
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
    with (crew.emulation.folder / f"{crew.name}.log").open("a", encoding="utf-8") as log:
        sys.stderr = log
        logs.configure(log, level=logging.WARNING)
        _Worker(crew, parent).run()


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
        self._tally = Tally(MIDNIGHT_MS, plan.column_ms)
        effects: dict[type[Any], Callable[[Any], None]] = {Wanted: self._execute, Due: lambda one: one.step()}
        self._loop: EventLoop[Any, Any] = EventLoop(self._crowd, effects, self._clock, loop_limits())
        self._devices: dict[int, EmulatedDevice] = {}

    def run(self) -> None:
        """Until told to stop; then say what was counted."""
        stop_with(self._parent, self._loop.request_stop)
        self._populate()
        self._pulse()
        self._loop.run()
        for device in self._devices.values():
            device.end()
            own, board = self._tally.of(device.setup.number), device.setup.board
            own.joules_training, own.joules_radio = board.training_j, board.radio_j
            own.floor_breaks = board.floor_breaks
        keys = {one.setup.identity.signer.public_key: number for number, one in self._devices.items()}
        with suppress(OSError):  # the parent is gone
            self._parent.send(Counted(self._tally, keys, self._crowd.dropped_count))

    def _populate(self) -> None:
        """All devices, none of them started."""
        crew, plan, fleet = self._crew, self._crew.emulation, self._crew.emulation.fleet
        shares = read_shares(plan.folder / SHARES_FILE)
        around = Around(
            crowd=self._crowd,
            post=self._loop.post,
            clock=self._clock,
            midnight_ms=MIDNIGHT_MS,
            servers=crew.servers,
            limits=mqtt_limits(plan.speed),
            folder=plan.folder / "devices",
            new=plan.folder / NEW_DEVICE_FOLDER,
            train=SharedTrainer(shares),
            tally=self._tally,
        )
        remember = VerifyOnce(verify, VERDICTS_MAX)
        crowd = members(fleet)
        for number in crew.numbers:
            member = crowd[number]
            setup = self._setup(member, remember, len(shares))
            device = EmulatedDevice(around, setup, online_of(member, fleet))
            self._devices[number] = device
            if member.of_group < TRACES_OF_A_GROUP:
                self._tally.traces[number] = Points(
                    member.group.name, member.group.board, floor_of(member.group)
                )
            self._expect_crash(device)
        order = sorted(crew.numbers, key=lambda one: share(plan.seed, f"power-up {crowd[one].name}"))
        self._switch_on([self._devices[one] for one in order])

    def _switch_on(self, waiting: list[EmulatedDevice]) -> None:
        """Boards one after the other, as fast as the machine lets them join."""
        speed = self._crew.emulation.speed
        joining = [one for one in self._devices.values() if one.is_joining(round(JOINS_WALL_MS * speed))]
        free = max(0, JOINING_MAX - len(joining))
        for device in waiting[:free]:
            device.power_up()
        if rest := waiting[free:]:
            later_ms = self._clock.now_ms() + round(LOOK_WALL_MS * speed)
            self._crowd.later(later_ms, lambda: self._switch_on(rest))

    def _setup(self, member: Member, remember: VerifyOnce, shares: int) -> DeviceSetup:
        plan = self._crew.emulation
        signer = Signer(drawn(plan.seed, f"key {member.name}"))
        timing = agent_timing(plan.speed)
        return DeviceSetup(
            number=member.number,
            share=member.number % shares,
            identity=Identity(signer, self._crew.chain_id, timing=timing, verify=remember),
            limits=member.group.limits,
            sleep=plan.sleep,
            board=board_of(member, plan.fleet, plan.parts, MIDNIGHT_MS),
            samples=member.samples,
            drop_out=plan.fleet.dropout,
            seed=plan.seed,
        )

    def _expect_crash(self, device: EmulatedDevice) -> None:
        """The process of a device crashes so often as the fleet file says."""
        plan = self._crew.emulation
        a_day = plan.fleet.faults.crashes_a_day.typical
        times = moments(plan.seed, f"crash {device.setup.number}", a_day)

        def expect() -> None:
            at_ms = next(times, None)
            if at_ms is not None:
                self._crowd.later(MIDNIGHT_MS + at_ms, strike)

        def strike() -> None:
            device.kill(RESTART_MS)
            expect()

        expect()

    def _execute(self, wanted: Wanted) -> None:
        self._devices[wanted.place.number].execute(wanted.place, wanted.effect)

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
