"""An emulation from beginning to end: start all processes, follow the chain, stop, add up what they saw."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from broker.core.effects import StoreFinal
from broker.founding import ChainFiles
from edge_client import __version__
from edge_client.protocol.machine import Note, Refused
from edge_client.runtime.mqtt_options import ServerAddress
from firmware_profiles.emulate.faults import moments
from firmware_profiles.emulate.memory import pss_kib
from firmware_profiles.emulate.plan import CLIENTS_MAX, Counted, Crew, Emulation, Pulse
from firmware_profiles.emulate.setting import make_server, set_stage
from firmware_profiles.emulate.validators import Heard, Order, keep_server, run_emulated_validator
from firmware_profiles.emulate.worker import run_worker
from firmware_profiles.fleet.founding import MIDNIGHT_MS
from firmware_profiles.lesson.digits import Examiner, digits
from firmware_profiles.lesson.shares import SHARES
from firmware_profiles.report.chain_log import ChainLog
from firmware_profiles.report.record import Fault, RunRecord
from firmware_profiles.report.summary import Crew as Members
from firmware_profiles.report.summary import Run, Seen, summary
from firmware_profiles.report.tally import Tally
from firmware_profiles.twin.members import members

LOOK_S = 0.25
LINGER_S = 5.0
STOP_S_MAX = 20.0
PATIENCE_ROUNDS = 6
"""When no round closes, and no more agents start, for the time that so many take, something is wrong."""
PATIENCE_S_MIN = 60.0
DAY_MS = 86_400_000


class EmulationError(RuntimeError):
    """A process died, or no round closes; the text says which and where to look."""


@dataclass(frozen=True, slots=True)
class Progress:
    """For whoever watches; `round` counts those that are closed."""

    round: int
    accuracy: float | None
    updates: int
    running: int
    memory_mib: int


@dataclass(slots=True)
class _Child:
    """A process of ours and the pipe to it."""

    name: str
    process: BaseProcess
    pipe: Connection
    is_open: bool = True


@dataclass(slots=True)
class EmulationRun:
    """One rehearsal; `memory_peak_mib` is the sum of all its processes, shared pages counted once."""

    plan: Emulation
    watch: Callable[[Progress], None] = lambda _progress: None
    memory_peak_mib: int = 0
    faults: list[Fault] = field(default_factory=list)
    _children: list[_Child] = field(default_factory=list)
    _pulses: dict[str, Pulse] = field(default_factory=dict)
    _tally: Tally = field(init=False)
    _keys: dict[bytes, int] = field(default_factory=dict)
    _log: ChainLog = field(init=False)
    _served: tuple[ServerAddress, ...] = ()

    def run(self) -> RunRecord:
        """Raises `EmulationError`, `MqttServerError`, `FileExistsError`."""
        began_s = time.monotonic()
        plan, lesson = self.plan, digits()
        self._tally = Tally(MIDNIGHT_MS, plan.column_ms)
        self._log = ChainLog(MIDNIGHT_MS, Examiner(lesson), self._joules)
        files = set_stage(plan, lesson)
        try:
            self._start(files)
            self._follow()
            self._linger()
        finally:
            self._stop()
        run = Run(
            mode="emulate",
            policy="ours",
            seed=plan.seed,
            training="real",
            span_ms=plan.clock.now_ms() - MIDNIGHT_MS,
            wall_s=time.monotonic() - began_s,
            speed=plan.speed,
            software=__version__,
        )
        names = [lesson.label(number) for number in range(SHARES)]
        crew = members(plan.fleet)
        labels = {one.number: names[one.number % SHARES] for one in crew}
        for key, balance in self._log.balances().items():
            if key in self._keys:
                self._tally.of(self._keys[key]).rewards = balance
        return summary(run, Members(plan.fleet, crew, labels), Seen(self._tally, self._log, self.faults))

    # --- processes ----------------------------------------------------------------------------------------

    def _start(self, files: ChainFiles) -> None:
        plan = self.plan
        self._served = plan.servers
        if not plan.servers:
            server = make_server(plan.folder, files)
            self._served = (server.address,)
            self._launch("mqtt", keep_server, server)
            self._order(Order.START)
        if plan.shard.number == 1:
            for number in range(plan.fleet.job.validators):
                self._launch(f"validator-{number}", run_emulated_validator, plan, number, self._served)
        own = plan.shard.numbers(plan.fleet.devices)
        for number, first in enumerate(range(0, len(own), CLIENTS_MAX)):
            numbers = tuple(own[first : first + CLIENTS_MAX])
            crew = Crew(plan, files.chain_id, self._served, numbers, f"devices-{number}")
            self._launch(crew.name, run_worker, crew)

    def _launch(self, name: str, target: Callable[..., None], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=target, args=(*arguments, theirs), name=name, daemon=True)
        process.start()
        theirs.close()
        self._children.append(_Child(name, process, ours))

    def _order(self, order: Order) -> None:
        keeper = self._children[0].pipe
        keeper.send(order)
        if not keeper.poll(STOP_S_MAX) or not self._answered(keeper):
            raise EmulationError(f"the MQTT server did not {order.value}; see {self.plan.folder}")

    @staticmethod
    def _answered(pipe: Connection) -> bool:
        try:
            return bool(pipe.recv())
        except EOFError:
            return False

    def _stop(self) -> None:
        """Devices first, then validators, the server last; take what they still say."""
        deadline_s = time.monotonic() + STOP_S_MAX
        for child in reversed(self._children):
            self._say_stop(child)
            while child.is_open and time.monotonic() < deadline_s:
                if child.pipe.poll(LOOK_S):
                    self._hear(child)
            child.process.join(max(0.1, deadline_s - time.monotonic()))
            if child.process.is_alive():
                child.process.kill()
                child.process.join()
        self._children.clear()

    @staticmethod
    def _say_stop(child: _Child) -> None:
        try:
            child.pipe.send("stop")
        except OSError:
            child.is_open = False

    # --- while it runs ------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Until enough rounds are closed."""
        plan, outages = self.plan, self._outages()
        round_s = plan.fleet.job.round_s / plan.speed
        patience_s = max(PATIENCE_S_MIN, PATIENCE_ROUNDS * round_s)
        closed, running, moved_s, looked_s = 0, 0, time.monotonic(), 0.0
        outage_ms = next(outages, None)
        while closed < plan.rounds:
            self._listen()
            now_s = time.monotonic()
            if self._closed() > closed or self._running() > running:
                closed, running, moved_s = self._closed(), max(running, self._running()), now_s
            if now_s - moved_s > patience_s:
                raise EmulationError(
                    f"no round was closed for {patience_s:.0f} s; see the *.log files in {plan.folder}"
                )
            if outage_ms is not None and plan.clock.now_ms() - MIDNIGHT_MS >= outage_ms:
                self._lose_server()
                outage_ms = next(outages, None)
            if now_s - looked_s >= 1:
                looked_s = now_s
                self._look()

    def _linger(self) -> None:
        """Devices, those of other parts, too, shall hear of the last block."""
        until_s = time.monotonic() + LINGER_S
        while time.monotonic() < until_s:
            self._listen()

    def _listen(self) -> None:
        pipes: dict[Any, _Child] = {one.pipe: one for one in self._children if one.is_open}
        for ready in wait(list(pipes), LOOK_S):
            child = pipes[ready]
            self._hear(child)
            if not child.is_open:
                raise EmulationError(
                    f"the process {child.name} died; see {self.plan.folder / child.name}.log"
                )

    def _hear(self, child: _Child) -> None:
        try:
            said = child.pipe.recv()
        except (EOFError, OSError):
            child.is_open = False
            return
        match said:
            case Heard(StoreFinal() as effect, now_ms):
                self._log.final(effect, now_ms)
            case Heard(Note() as effect, now_ms):
                self._log.note(effect, now_ms)
            case Heard(Refused() as effect, _):
                self._log.refused(effect)
            case Pulse():
                self._pulses[child.name] = said
            case Counted(tally, keys, dropped):
                self._tally.add(tally)
                self._tally.notes["dropped"] += dropped
                self._keys |= keys

    def _closed(self) -> int:
        """Rounds: by the validators, or where they run elsewhere by what our devices have verified."""
        if self.plan.shard.number == 1:
            return len(self._log.rounds)
        return max((one.round for one in self._pulses.values()), default=1) - 1

    def _running(self) -> int:
        return sum(one.running for one in self._pulses.values())

    def _look(self) -> None:
        memory = sum(pss_kib(one.process.pid or 0) for one in self._children) // 1024
        self.memory_peak_mib = max(self.memory_peak_mib, memory)
        rounds = self._log.rounds
        last = rounds[-1] if rounds else None
        accuracy, updates = (None, 0) if last is None else (last.accuracy, last.updates)
        self.watch(Progress(self._closed(), accuracy, updates, self._running(), memory))

    def _joules(self) -> float:
        return sum(one.joules for one in self._pulses.values())

    # --- faults of the server -----------------------------------------------------------------------------

    def _outages(self) -> Iterator[int]:
        """None where the server is somebody else's."""
        a_day = 0.0 if self.plan.servers else self.plan.fleet.faults.mqtt_outages_a_day.typical
        return moments(self.plan.seed, "mqtt outage", a_day)

    def _lose_server(self) -> None:
        """It dies and comes back with an empty memory."""
        lasts_s = self.plan.fleet.faults.mqtt_outage_lasts.typical
        at_ms = self.plan.clock.now_ms() - MIDNIGHT_MS
        self.faults.append(Fault(at_ms, "mqtt-outage", f"MQTT server away for {lasts_s:.0f} s"))
        self._order(Order.KILL)
        time.sleep(lasts_s / self.plan.speed)
        self._order(Order.START)
