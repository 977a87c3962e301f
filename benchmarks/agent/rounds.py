"""Where the processor time of a round goes: several rounds of one agent, thread by thread.

    python -m benchmarks.agent.rounds ROUNDS SECONDS

One line a round, then the medians: milliseconds of processor time, page faults, and how often a thread had to
wait. `loop_ms` is that of one and the same loop before and after: what else runs on the machine makes it
longer, and all the rest with it. `trainer_ms` is what threads took that are gone by then, beside training:
the trainer's, and that of the one that writes `current.tflite`.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.agent import readings
from benchmarks.agent.life import CALM_S, counted_s
from benchmarks.agent.rig import WAIT_S_MAX, Rig, rest, running

THREADS = ("agent", "mqtt", "wishes", "conditions")
"""In the order in which they are started, which is that of their numbers."""
LOOP_COUNT, LOOP_TRIES = 200_000, 3

Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class _Look:
    """At one moment of rest."""

    cpu_s: float
    training_s: float
    threads: list[tuple[float, int]]
    faults: int
    loop_ms: float


def measure(folder: Path, rounds: int, round_s: int) -> Iterator[Row]:
    """Each round after the first two, which load what later ones find loaded."""
    with running(folder, round_s) as rig:
        counts = rig.folder / "counts.json"
        module = "benchmarks.agent.instrumented"
        child = rig.start_device(sys.executable, "-m", module, str(rig.device), str(counts))
        assert child.process is not None
        pid = child.process.pid
        words = rig.wait("joining", lambda words: words.get("round") is not None, WAIT_S_MAX)
        before = None
        for number in range(words["round"] + 1, words["round"] + rounds + 2):
            after = _look(rig, pid, number, counts)
            if before is not None:
                yield _row(before, after)
            before = after


def _look(rig: Rig, pid: int, number: int, counts: Path) -> _Look:
    rig.wait_done(pid, number, WAIT_S_MAX + WAIT_S_MAX)
    rest(pid, CALM_S)
    threads = readings.threads(pid)
    return _Look(readings.cpu_s(pid), counted_s(counts), threads, readings.faults(pid), _loop_ms())


def _row(before: _Look, after: _Look) -> Row:
    training_ms = 1000 * (after.training_s - before.training_s)
    total_ms = 1000 * (after.cpu_s - before.cpu_s)
    row = {"overhead_ms": total_ms - training_ms, "training_ms": training_ms}
    alive_ms = 0.0
    for name, (cpu_s, waits), (then_s, waited) in zip(THREADS, after.threads, before.threads, strict=False):
        alive_ms += 1000 * (cpu_s - then_s)
        row |= {f"{name}_ms": 1000 * (cpu_s - then_s), f"{name}_waits": waits - waited}
    row["trainer_ms"] = row["overhead_ms"] - alive_ms
    return row | {"faults": after.faults - before.faults, "loop_ms": (before.loop_ms + after.loop_ms) / 2}


def _loop_ms() -> float:
    """The quickest of a few tries."""
    taken = []
    for _ in range(LOOP_TRIES):
        began_s, total = time.thread_time(), 0
        for number in range(LOOP_COUNT):
            total += number * number
        taken.append(1000 * (time.thread_time() - began_s))
    return min(taken)


def _text(row: Row) -> str:
    return "  ".join(f"{name} {value:.1f}" for name, value in row.items())


def main() -> None:
    """Print a line a round, and the medians."""
    rounds, round_s = int(sys.argv[1]), int(sys.argv[2])
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-rounds-") as folder:
        for row in measure(Path(folder) / "life", rounds, round_s):
            rows.append(row)
            print(_text(row), flush=True)
    print("medians:", _text({name: statistics.median(row[name] for row in rows) for name in rows[0]}))


if __name__ == "__main__":
    main()
