"""Training under a memory limit with a real runtime, and a real kill that the next start tells of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from queue import Queue

import numpy as np
import pytest

from edge_client.adapters.conditions.own_memory import read_kills
from edge_client.adapters.memory_guard import MemoryGuard
from edge_client.adapters.status_file import STATUS_FILE
from edge_client.adapters.trainer import Job, Trainer, TrainerSetup
from edge_client.adapters.training_marker import MARKER_FILE, TrainingMarker
from edge_client.core.conditions.memory import MB, Kills, MemoryReading
from edge_client.core.events import TrainingFailed, TrainingFinished
from edge_client.protocol.join import Join
from tests.integration.test_device_trainer import SIGNER, WAIT_S, Bench
from tests.owned_device import edge_client

LIMIT = 100 * MB
PROC = Path("/proc")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class Readings:
    """What the guard reads: too much for so many looks, then little."""

    def __init__(self, too_much: int, own: int = LIMIT + 1) -> None:
        self.left = too_much
        self._own = own

    def __call__(self) -> MemoryReading:
        self.left -= 1
        return MemoryReading(own=self._own if self.left >= 0 else 1)


def train(bench: Bench, readings: Readings, round_number: int = 1) -> tuple[object, MemoryGuard, list[str]]:
    """One round, and what was said meanwhile."""
    results: Queue[object] = Queue()
    said: list[str] = []
    guard = MemoryGuard(LIMIT, readings, said.append)
    key = SIGNER.public_key
    setup = TrainerSetup(key, bench.objects, bench.own, 1, results.put, guard=guard)
    order = bench.order(round_number)
    Trainer(setup).start(bench.genesis, Job(order))
    result = results.get(timeout=WAIT_S)
    while not isinstance(result, TrainingFinished | TrainingFailed):
        result = results.get(timeout=WAIT_S)
    return result, guard, said


def test_fewer_samples_first(bench: Bench) -> None:
    whole, guard, said = train(bench, Readings(0))
    assert isinstance(whole, TrainingFinished)
    assert (guard.samples_max, said) == (None, [])
    less, guard, said = train(bench, Readings(1))
    assert isinstance(less, TrainingFinished)
    assert guard.samples_max == 25, "of 50"
    assert less.samples <= 25 < whole.samples
    assert less.steps < whole.steps
    assert "going on with 25 samples" in said[0]


def test_what_is_left_are_the_newest(bench: Bench) -> None:
    x, y = (np.load(bench.data_file)[name] for name in "xy")
    loaded = bench.own.at_most(25).load(bench.genesis.manifest, 0)
    kept = [loaded.train, *([] if loaded.hold_out is None else [loaded.hold_out])]
    rows = np.sort(np.concatenate([one.indices for one in kept]))
    assert len(loaded.train.x) == 25, "the older half is not held"
    np.testing.assert_array_equal(loaded.train.x[rows], x[25:])
    np.testing.assert_array_equal(loaded.train.y[rows], y[25:])


def test_then_the_round_is_given_up_with_the_reason(bench: Bench) -> None:
    result, guard, _said = train(bench, Readings(99))
    assert isinstance(result, TrainingFailed)
    assert result.why == "memory: the agent takes 100 MB, at most 100 MB"
    assert guard.samples_max == 12, "less than ten are not worth a step"
    result, guard, _said = train(bench, Readings(1, 2 * LIMIT))
    assert isinstance(result, TrainingFailed), "fewer samples would not give back 100 MB"
    assert guard.samples_max is None


def test_it_is_asked_while_training_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_client.adapters.memory_guard.CHECK_S", 0.0)
    readings = Readings(0)
    train(bench, readings)
    looks = -readings.left
    assert looks > 10, "before every step"
    result, guard, _said = train(bench, Later(looks // 2))
    assert isinstance(result, TrainingFinished)
    assert guard.samples_max == 25


class Later(Readings):
    """Enough for so many looks, then once too much."""

    def __init__(self, enough: int) -> None:
        super().__init__(0)
        self._enough = enough

    def __call__(self) -> MemoryReading:
        self._enough -= 1
        return MemoryReading(own=LIMIT + 1 if self._enough == 0 else 1)


def test_the_marker_is_there_while_a_round_is_trained(tmp_path: Path, bench: Bench) -> None:
    """And only then."""
    marker = TrainingMarker(tmp_path, lambda: read_kills(PROC))
    results: Queue[object] = Queue()
    seen: list[bool] = []

    def read() -> MemoryReading:
        seen.append((tmp_path / MARKER_FILE).exists())
        return MemoryReading(own=1)

    guard = MemoryGuard(LIMIT, read, seen.append)  # type: ignore[arg-type]
    setup = TrainerSetup(SIGNER.public_key, bench.objects, bench.own, 1, results.put)
    trainer = Trainer(replace(setup, guard=guard, marker=marker))
    trainer.start(bench.genesis, Job(bench.order()))
    trainer.join(WAIT_S)
    assert seen
    assert all(seen)
    assert not (tmp_path / MARKER_FILE).exists()


def test_a_round_that_killed_the_agent_is_not_tried_again(tmp_path: Path, bench: Bench) -> None:
    TrainingMarker(tmp_path, lambda: Kills("boot", 1)).begin(4)
    marker = TrainingMarker(tmp_path, lambda: Kills("boot", 2))
    assert marker.death() is not None
    results: Queue[object] = Queue()
    setup = TrainerSetup(SIGNER.public_key, bench.objects, bench.own, 1, results.put, marker=marker)
    trainer = Trainer(setup)
    trainer.start(bench.genesis, Job(bench.order(4)))
    failed = results.get(timeout=WAIT_S)
    assert isinstance(failed, TrainingFailed)
    assert "most likely killed for memory" in failed.why
    assert failed.worked, "of the process before"
    trainer.start(bench.genesis, Job(bench.order(5)))
    trainer.join(WAIT_S)
    assert not isinstance(results.get(timeout=WAIT_S), TrainingFailed)


KILLED = """
import sys, threading
from pathlib import Path
from edge_client.adapters.conditions.own_memory import read_kills
from edge_client.adapters.memory_guard import MemoryGuard
from edge_client.adapters.trainer import Job, Trainer, TrainerSetup
from edge_client.adapters.training_marker import TrainingMarker
from edge_client.core.conditions.memory import MemoryReading
from tests.integration.test_device_trainer import SIGNER, Bench

def read():
    print("training", flush=True)
    threading.Event().wait()

bench, state = Bench(Path(sys.argv[1])), Path(sys.argv[2])
marker = TrainingMarker(state, lambda: read_kills(Path("/proc")))
guard = MemoryGuard(1, read, print)
setup = TrainerSetup(SIGNER.public_key, bench.objects, bench.own, 1, print, guard=guard, marker=marker)
trainer = Trainer(setup)
trainer.start(bench.genesis, Job(bench.order(7)))
trainer.join(60)
"""
"""A trainer that stops in the middle of a round, with everything as it is then."""


def test_a_kill_while_training_is_told_by_the_next_start(tmp_path: Path) -> None:
    state = tmp_path / "state"
    join = Join(("mqtt://127.0.0.1:1",), bytes(range(32))).text()
    assert edge_client("init", "--join", join, "--state", state, "--data", "npz:x.npz").exit_code == 0
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as training:
        assert training.stdout is not None
        assert training.stdout.readline() == b"training\n"
        training.kill()
    assert training.returncode == -signal.SIGKILL
    agent = [sys.executable, "-m", "edge_client.cli", "run", "--state", str(state)]
    with subprocess.Popen(agent, stderr=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        told = next(line for line in lines if "ended_in_training" in line)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_S)
    assert "round=7" in told
    assert "memory" in told, "not for memory, or perhaps, when the machine killed something meanwhile"
    assert json.loads((state / STATUS_FILE).read_text())["last_end"].startswith("in round 7: ")
    assert "last end" in edge_client("status", "--state", state).stdout
    assert not (state / MARKER_FILE).exists()
