"""Measuring what a training step costs on this board: for `calibrate`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from edge_client.adapters.conditions.calibration_file import write_calibration
from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.step_timer import LookAt, Measured, Progress, measure
from edge_client.config import DeviceConfig
from edge_client.core.conditions.prediction import Calibration
from edge_client.core.conditions.step_times import (
    Power,
    Times,
    highest_c,
    mean_w,
    throttled_after_s,
)
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.ir import ModelError

NICE = 10
"""As the service does (units/edge-client.service); a process that is nicer already stays so."""


class CannotCalibrateError(Exception):
    """Nothing can be measured; the text is one sentence for the owner."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is measured: a training graph (file or bytes), its name, and how."""

    name: str
    graph: Path | bytes
    threads: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found. Energy a step is that of the whole board, `above_idle_mj` what training adds to it;
    None without a meter, without an idle reading, and so on."""

    model: str
    batch: int
    parameters: int
    threads: int
    nice: int
    times: Times
    power: Power
    highest_c: float | None
    throttled_after_s: float | None

    @property
    def mj_per_step(self) -> float | None:
        """Watts times milliseconds."""
        return None if self.power.load_w is None else self.power.load_w * self.times.median_ms

    @property
    def above_idle_mj(self) -> float | None:
        """What a step adds to what the board takes anyway."""
        load_w, idle_w = self.power.load_w, self.power.idle_w
        return None if load_w is None or idle_w is None else max(0.0, load_w - idle_w) * self.times.median_ms


def current_graph(folder: Path, config: DeviceConfig) -> Path:
    """The training graph of the device's chain; raises `CannotCalibrateError`, `DatabaseError`."""
    disk = DeviceDisk(folder, config.chain.parsed().chain_id)
    try:
        genesis = disk.genesis()
        path = None if genesis is None else disk.objects.path(genesis.graph_root)
    finally:
        disk.close()
    if path is None or not path.is_file():
        raise CannotCalibrateError(
            "the device has not fetched its chain's model yet: run it first, or name a model (--built-in mlp)"
        )
    return path


def graph_of(model: Path) -> Path | bytes:
    """A training graph as it is; of any other `.tflite` model the one that `trainable` makes. Raises
    `ModelError`, `OSError`, `CannotCalibrateError`."""
    try:
        TrainingGraph.open(model)
    except ModelError:
        samples = _samples()
        made: bytes = samples.of_model(model.read_bytes())
        return made
    return model


def built_in_graph(name: str) -> bytes:
    """One of `litert.samples.BUILT_IN`; raises `CannotCalibrateError`."""
    made: bytes = _samples().built_in(name)
    return made


def _samples() -> ModuleType:
    """What makes graphs, where it can be imported: tflite-runtime comes without the schema it needs."""
    try:
        return import_module("edge_client.litert.samples")
    except ImportError as error:
        raise CannotCalibrateError(
            "training graphs are made with the schema of ai-edge-litert only, which is not installed here:"
            " give --model a training graph made elsewhere (`edge-client trainable`)"
        ) from error


def calibrate(task: Task, look: LookAt, typed: Power, progress: Progress) -> Outcome:
    """Measure; watts from a wall meter (`typed`) count before those that the board reads. Raises
    `ModelError`, `OSError`, `RuntimeMissingError`."""
    graph = TrainingGraph.open(task.graph, task.threads)
    measured = measure(graph, look, task.seconds, progress)
    manifest = graph.manifest
    return Outcome(
        model=task.name,
        batch=manifest.batch,
        parameters=manifest.parameter_count,
        threads=task.threads,
        nice=os.getpriority(os.PRIO_PROCESS, 0),
        times=measured.times,
        power=_power(measured, typed),
        highest_c=highest_c(measured.load),
        throttled_after_s=throttled_after_s(measured.load),
    )


def calibrate_built_in(seconds: float, look: LookAt, typed: Power, progress: Progress) -> dict[str, Outcome]:
    """All built-in models, one thread, a share of the time each; raises what `calibrate` does."""
    names: tuple[str, ...] = _samples().BUILT_IN
    share = seconds / len(names)
    found = {}
    for number, name in enumerate(names, 1):
        later_s = share * (len(names) - number)
        task = Task(name, built_in_graph(name), 1, share)
        found[name] = calibrate(task, look, typed, _then(progress, later_s))
    return found


def _then(progress: Progress, later_s: float) -> Progress:
    """The same, when so much follows."""
    return lambda left_s: progress(left_s + later_s)


def _power(measured: Measured, typed: Power) -> Power:
    if typed.load_w is not None:
        return typed
    return Power(mean_w(measured.idle), mean_w(measured.load))


def store(folder: Path, outcome: Outcome, now_ms: int) -> None:
    """Keep it where predictions begin from it; raises `OSError`."""
    write_calibration(folder, Calibration(now_ms, outcome.times.median_ms, outcome.mj_per_step))


def be_nice() -> None:
    """Run at the service's priority, or lower if this process does already."""
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
