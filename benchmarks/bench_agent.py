"""`make bench-agent`: what the agent costs the board it runs on.

`ARGS=--quick` takes four minutes: shorter rounds, the same code; a minute's figures are then scaled up.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.agent.installed import import_ms, installed_mb
from benchmarks.agent.life import MODEL_BYTES, Length, measure_life
from benchmarks.agent.sleeping import measure_sleep
from benchmarks.figures import Value, report
from edge_client.runtime.mqtt_options import MqttLimits

TARGET = "bench-agent"
FULL = Length(round_s=120, idle_s=60, starts=3, sleep_s=60)
QUICK = Length(round_s=50, idle_s=5, starts=1, sleep_s=10)
IMPORTS = 9
KEEPALIVE_S = MqttLimits().keepalive_s
Row = tuple[str, Value, str]
"""Name in bounds.toml, value, what a reader must know of it."""


def life_rows(folder: Path, length: Length) -> Iterator[Row]:
    """A real agent, a real validator, Mosquitto with TLS and client certificates."""
    load = f"load average before {os.getloadavg()[0]:.1f}"
    life = measure_life(folder / "life", length)
    watched = f"{length.idle_s:.0f} s watched"
    yield "idle between rounds, connected: CPU a minute", life.idle.cpu_s, watched
    scaled = (
        "" if length.idle_s >= KEEPALIVE_S else f", shorter than the keep-alive of {KEEPALIVE_S} s: no ping"
    )
    wire = f"{watched}{scaled}; TLS with headers of TCP and IP, both ways"
    yield "idle between rounds, connected: traffic a minute", life.idle.wire_bytes, wire
    peak = "VmHWM of a process that joined, trained and sent"
    yield "peak with 784-128-10 over TLS and 400 samples", life.peak_mb, peak
    resident = f"VmRSS at rest after a round; VmHWM before the first one {life.start_peak_mb:.1f}"
    yield "idle between rounds, connected: memory", life.resident_mb, resident
    training = f"training and measuring models: {life.round.training_cpu_s:.3f} CPU-s"
    yield "overhead of a round beside training", life.round.overhead_cpu_s, training
    yield "start to first verified head", life.start_s, f"median of {length.starts}, over TLS; {load}"
    written = f"{life.round.bookkeeping_bytes:,} bytes a round, {life.idle.written_bytes:,.0f} a minute idle"
    yield "SD-card bookkeeping a day at 8 rounds a day", life.bookkeeping_mb_a_day, written
    large = f"{life.round.large_bytes:,} bytes; bytes of write calls"
    yield "SD-card large objects a round", life.round.large_bytes / MODEL_BYTES, large


def sleep_rows(folder: Path, length: Length) -> Iterator[Row]:
    """The same with `mqtt.sleep`."""
    slept = measure_sleep(folder / "sleep", length.sleep_s)
    before = f"{slept.bursts} bursts of {slept.burst_bytes:,} bytes before, joining included"
    yield "sleeping: traffic", slept.wire_bytes, f"{slept.watched_s:.0f} s watched from the wire; {before}"


def weight_rows(_folder: Path, _length: Length) -> Iterator[Row]:
    """Before it runs."""
    yield "import edge_client", import_ms(IMPORTS), f"median of {IMPORTS} processes"
    yield "installed size without pip, numpy and the runtime", installed_mb(), "with compiled copies"


def main(arguments: list[str] | None = None) -> int:
    """Measure everything; returns 0 when every figure holds, else 1."""
    parser = argparse.ArgumentParser(prog="bench_agent", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter rounds")
    quick: bool = parser.parse_args(arguments).quick
    length = QUICK if quick else FULL
    parts = (weight_rows, life_rows, sleep_rows)
    with tempfile.TemporaryDirectory(prefix="bench-agent-") as folder:
        rows = [row for part in parts for row in part(Path(folder), length)]
    values: dict[str, Value] = {name: value for name, value, _ in rows}
    notes = {name: note for name, _, note in rows}
    return 0 if all(figure.holds for figure in report(TARGET, values, notes=notes, quick=quick)) else 1


if __name__ == "__main__":
    sys.exit(main())
