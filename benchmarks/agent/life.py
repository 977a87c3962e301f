"""A few rounds in the life of one device, measured from outside (`readings`) and, for the split of processor
time and bytes written between training and all else, from inside (`instrumented`)."""

from __future__ import annotations

import json
import statistics
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.agent import readings
from benchmarks.agent.rig import LAYER_WIDTHS, WAIT_S_MAX, Rig, rest, running
from edge_client.adapters.conditions.watch import IDLE_S
from firmware_profiles.demo.processes import Child

CALM_S = 1.0
PARAMETERS = sum(inputs * outputs + outputs for inputs, outputs in pairwise(LAYER_WIDTHS))
MODEL_BYTES = 4 * PARAMETERS
DAY_MIN = 24 * 60
ROUNDS_A_DAY = 8


@dataclass(frozen=True, slots=True)
class Length:
    """How long a round is and how much of it is watched; the watched time lies between two rounds. `sleep_s`:
    of a device that sleeps there. `look_s`: until the agent's next look at its board after a round, which
    belongs to the round, for it may write down what that carried."""

    round_s: int
    idle_s: float
    starts: int
    sleep_s: float
    look_s: float = IDLE_S


@dataclass(frozen=True, slots=True)
class Idle:
    """Connected and done with the round: the most that was resident when looked at, and a minute's worth."""

    resident_mb: float
    cpu_s: float
    wire_bytes: float
    written_bytes: float


@dataclass(frozen=True, slots=True)
class Round:
    """From one moment of rest to the next, with one round between them."""

    overhead_cpu_s: float
    training_cpu_s: float
    bookkeeping_bytes: int
    large_bytes: int


@dataclass(frozen=True, slots=True)
class Life:
    """What was found."""

    idle: Idle
    round: Round
    start_s: float
    resident_mb: float
    start_peak_mb: float
    peak_mb: float

    @property
    def bookkeeping_mb_a_day(self) -> float:
        """What is written beside large files, at `ROUNDS_A_DAY`."""
        idle_bytes = self.idle.written_bytes * DAY_MIN
        return (ROUNDS_A_DAY * self.round.bookkeeping_bytes + idle_bytes) / 1e6


def measure_life(folder: Path, length: Length) -> Life:
    """The first rounds are counted from inside; the starts and the last round are the shipped agent's."""
    with running(folder, length.round_s) as rig:
        idle, one_round, number = _counted_rounds(rig, length)
        starts = []
        for last in range(length.starts):
            child = rig.start_device()
            starts.append(_start_s(rig, _pid(child)))
            if last < length.starts - 1:
                rig.stop_device(child)
        pid = _pid(child)
        rest(pid, CALM_S)
        start_peak_mb = readings.peak_mb(pid)
        rig.wait_done(pid, number + 1, length.round_s + WAIT_S_MAX)
        rest(pid, CALM_S)
        resident_mb = max(idle.resident_mb, readings.resident_mb(pid))
        start_s = statistics.median(starts)
        return Life(idle, one_round, start_s, resident_mb, start_peak_mb, readings.peak_mb(pid))


def _counted_rounds(rig: Rig, length: Length) -> tuple[Idle, Round, int]:
    counts = rig.folder / "counts.json"
    module = "benchmarks.agent.instrumented"
    child = rig.start_device(sys.executable, "-m", module, str(rig.device), str(counts))
    pid = _pid(child)
    words = rig.wait("joining", lambda words: words.get("round") is not None, WAIT_S_MAX)
    number = words["round"] + 1
    rig.wait_done(pid, number, length.round_s + WAIT_S_MAX)  # just opened, so the whole of it is ahead
    _look_after(pid, length.look_s)
    idle = _idle(rig, pid, length.idle_s)
    before, inside = _now(pid), _read(counts)
    began_s = time.monotonic()
    rig.wait_done(pid, number + 1, length.round_s + WAIT_S_MAX)
    _look_after(pid, length.look_s)
    after, insides = _now(pid), _read(counts)
    minutes = (time.monotonic() - began_s) / 60
    rig.stop_device(child)
    training_s = insides["training_s"] - inside["training_s"]
    large = insides["large_bytes"] - inside["large_bytes"]
    own = insides["own_bytes"] - inside["own_bytes"]
    cpu_s = after[0] - before[0] - minutes * idle.cpu_s
    written = after[1] - before[1] - own
    return idle, Round(cpu_s - training_s, training_s, written - large, large), number + 1


def _look_after(pid: int, look_s: float) -> None:
    rest(pid, CALM_S)
    time.sleep(look_s)
    rest(pid, CALM_S)


def _now(pid: int) -> tuple[float, int]:
    return readings.cpu_s(pid), readings.written_bytes(pid)


def counted_s(counts: Path) -> float:
    """Processor time of training so far, as the agent counts it from inside."""
    return float(_read(counts)["training_s"])


def _read(counts: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(counts.read_text())
    return found


def _idle(rig: Rig, pid: int, watched_s: float) -> Idle:
    before, wire, resident = _now(pid), rig.wire_bytes(), readings.resident_mb(pid)
    time.sleep(watched_s)
    resident = max(resident, readings.resident_mb(pid))
    after, share = _now(pid), 60 / watched_s
    wire = rig.wire_bytes() - wire
    return Idle(resident, (after[0] - before[0]) * share, wire * share, (after[1] - before[1]) * share)


def _start_s(rig: Rig, pid: int) -> float:
    """From the start of the process to the answer that proved its head to be the latest."""
    started_ms = readings.started_ms(pid)

    def fresh(words: dict[str, Any]) -> bool:
        return words.get("pid") == pid and words.get("fresh_ms") is not None

    words = rig.wait("a verified head", lambda one: fresh(one) and one["fresh_ms"] > started_ms, WAIT_S_MAX)
    return float(words["fresh_ms"] - started_ms) / 1000


def _pid(child: Child) -> int:
    assert child.process is not None
    return child.process.pid
