"""An emulation from beginning to end: start all processes, follow the chain, stop, add up what they saw."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from broker.core.effects import StoreFinal
from edge_client.protocol.machine import Note, Refused
from firmware_profiles.emulate.cast import Cast
from firmware_profiles.emulate.children import ChildDiedError
from firmware_profiles.emulate.plan import Counted, Emulation, Pulse
from firmware_profiles.emulate.setting import set_stage
from firmware_profiles.emulate.validators import Heard
from firmware_profiles.fleet.founding import MIDNIGHT_MS
from firmware_profiles.fleet.troubles import Troubles
from firmware_profiles.lesson.digits import Examiner, digits
from firmware_profiles.report.chain_log import ChainLog
from firmware_profiles.report.record import RunRecord
from firmware_profiles.report.summary import Crew, Run, Seen, summary
from firmware_profiles.report.tally import Tally
from firmware_profiles.twin.members import members

LINGER_S = 5.0
PATIENCE_ROUNDS = 12
"""When no round closes, and no more agents start, for the time that so many take, something is wrong."""
PATIENCE_S_MIN = 180.0


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
class EmulationRun:
    """One rehearsal; `memory_peak_mib` is the sum of all its processes, shared pages counted once."""

    plan: Emulation
    watch: Callable[[Progress], None] = lambda _progress: None
    memory_peak_mib: int = 0
    _cast: Cast = field(init=False)
    _pulses: dict[str, Pulse] = field(default_factory=dict)
    _tally: Tally = field(init=False)
    _accounts: dict[int, bytes] = field(default_factory=dict)
    _counted: set[str] = field(default_factory=set)
    """Processes of devices that have said what they counted."""
    _log: ChainLog = field(init=False)

    def run(self) -> RunRecord:
        """Raises `EmulationError`, `MqttServerError`, `FileExistsError`."""
        began_s = time.monotonic()
        plan, lesson = self.plan, digits()
        self._tally = Tally.over(MIDNIGHT_MS, plan.span_ms)
        self._log = ChainLog(MIDNIGHT_MS, Examiner(lesson), self._joules)
        self._cast = Cast(plan, self._hear)
        files = set_stage(plan, lesson)
        try:
            self._cast.start(files)
            Troubles(plan.founding.mishaps, self._cast, self._tally.injected).begin()
            self._follow()
            self._linger()
            span_ms = self._passed_ms()
        except ChildDiedError as error:
            log = plan.folder / f"{error}.log"
            raise EmulationError(f"the process {error} died; see {log}") from error
        finally:
            self._cast.stop()
        if missing := sorted(set(self._cast.crews) - self._counted):
            raise EmulationError(f"{missing[0]} did not say in time what it counted; see {plan.folder}")
        run = Run(
            mode="emulate",
            seed=plan.seed,
            training="real",
            span_ms=span_ms,
            wall_s=time.monotonic() - began_s,
            speed=plan.speed,
        )
        crew = members(plan.fleet)
        labels = lesson.labels(one.number for one in crew)
        return summary(run, Crew(plan.fleet, crew, labels), Seen(self._tally, self._log, self._accounts))

    # --- while it runs ------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Until enough rounds are closed."""
        plan = self.plan
        round_s = plan.fleet.job.round_s / plan.speed
        patience_s = max(PATIENCE_S_MIN, PATIENCE_ROUNDS * round_s)
        closed, running, moved_s, looked_s = 0, 0, time.monotonic(), 0.0
        while closed < plan.rounds:
            self._cast.listen()
            now_s = time.monotonic()
            if self._closed() > closed or self._running() > running:
                closed, running, moved_s = self._closed(), max(running, self._running()), now_s
            if now_s - moved_s > patience_s:
                raise EmulationError(
                    f"no round was closed for {patience_s:.0f} s; see the *.log files in {plan.folder}"
                )
            if now_s - looked_s >= 1:
                looked_s = now_s
                self._look()

    def _passed_ms(self) -> int:
        return self._cast.now_ms() - MIDNIGHT_MS

    def _linger(self) -> None:
        """Devices, those of other parts, too, shall hear of the last block."""
        until_s = time.monotonic() + LINGER_S
        while time.monotonic() < until_s:
            self._cast.listen()

    def _hear(self, name: str, said: Any) -> None:
        match said:
            case Heard(StoreFinal() as effect, now_ms):
                self._log.final(effect, now_ms)
            case Heard(Note() as effect, now_ms):
                self._log.note(effect, now_ms)
            case Heard(Refused() as effect, _):
                self._log.refused(effect)
            case Pulse():
                self._pulses[name] = said
            case Counted(tally, accounts, dropped):
                self._tally.add(tally)
                self._tally.notes["dropped"] += dropped
                self._accounts |= accounts
                self._counted.add(name)

    def _closed(self) -> int:
        """Rounds: by the validators, or where they run elsewhere by what our devices have verified."""
        if self.plan.shard.number == 1:
            return len(self._log.rounds)
        return max((one.round for one in self._pulses.values()), default=1) - 1

    def _running(self) -> int:
        return sum(one.running for one in self._pulses.values())

    def _look(self) -> None:
        memory = self._cast.memory_mib()
        self.memory_peak_mib = max(self.memory_peak_mib, memory)
        rounds = self._log.rounds
        last = rounds[-1] if rounds else None
        accuracy, updates = (None, 0) if last is None else (last.accuracy, last.updates)
        self.watch(Progress(self._closed(), accuracy, updates, self._running(), memory))

    def _joules(self) -> float:
        return sum(one.joules for one in self._pulses.values())
