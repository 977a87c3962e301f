"""Times training steps on this board, and looks at the board meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np

from edge_client.core.conditions.readings import Conditions, Unknown
from edge_client.core.conditions.step_times import Look, Times, times_of
from edge_client.litert.graph import Labels, TrainingGraph

LOOK_S = 0.5
IDLE_S_MAX, IDLE_SHARE = 5.0, 0.2
"""How long the meter is read before, while the board does nothing."""
WARM_S_MAX, WARM_SHARE, WARM_STEPS = 3.0, 0.1, 3
"""What is not measured: caches fill, the processor's clock goes up."""
STEPS_MAX = 1_000_000

LookAt = Callable[[], Conditions]
Progress = Callable[[float], None]
"""Told the seconds left, about twice a second."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Timed steps, and what the board read before and meanwhile."""

    times: Times
    idle: tuple[Look, ...]
    load: tuple[Look, ...]


def measure(graph: TrainingGraph, look: LookAt, seconds: float, progress: Progress) -> Measured:
    """Train on noise for about so long, with a learning rate of 0. Without a meter no time goes to idling."""
    began = time.perf_counter()
    metered = not isinstance(look().power_w, Unknown)
    idle_s = min(IDLE_S_MAX, IDLE_SHARE * seconds) if metered else 0.0
    idle = _idle(look, idle_s, lambda left_s: progress(left_s + seconds - idle_s))
    step = _step_of(graph)
    _warm_up(step, min(WARM_S_MAX, WARM_SHARE * seconds))
    watch = _Watch(look)
    watch.start()
    try:
        durations_ms = _timed(step, began + seconds, progress)
    finally:
        watch.stop()
    return Measured(times_of(durations_ms), idle, tuple(watch.looks))


def _idle(look: LookAt, seconds: float, progress: Progress) -> tuple[Look, ...]:
    looks: list[Look] = []
    pause, began = threading.Event(), time.perf_counter()
    while (left_s := began + seconds - time.perf_counter()) > 0:
        progress(left_s)
        pause.wait(min(LOOK_S, left_s))
        looks.append(Look(time.perf_counter() - began, look()))
    return tuple(looks)


def _step_of(graph: TrainingGraph) -> Callable[[], object]:
    """One step on the same noise; zeros would be faster than data on some processors."""
    manifest = graph.manifest
    shape = (manifest.batch, *manifest.input_dims)
    x = np.linspace(0, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    y = cast("Labels", np.zeros(graph.label_shape, graph.label_dtype))
    weight = np.ones(manifest.batch, np.float32)
    return lambda: graph.train_step(x, y, weight, 0.0)


def _warm_up(step: Callable[[], object], seconds: float) -> None:
    began, done = time.perf_counter(), 0
    while done < WARM_STEPS or time.perf_counter() - began < seconds:
        step()
        done += 1


def _timed(step: Callable[[], object], end: float, progress: Progress) -> list[float]:
    """Durations in ms of all steps until then, of one at least."""
    durations_ms: list[float] = []
    told = 0.0
    while len(durations_ms) < STEPS_MAX:
        began = time.perf_counter()
        step()
        now = time.perf_counter()
        durations_ms.append((now - began) * 1000)
        if now >= end:
            break
        if now - told >= LOOK_S:
            told = now
            progress(end - now)
    return durations_ms


class _Watch:
    """Looks from a thread of its own, so that readers that take their time do not count as steps."""

    def __init__(self, look: LookAt) -> None:
        self.looks: list[Look] = []
        self._look = look
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="looks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        began = time.perf_counter()
        while True:
            ended = self._stopping.wait(LOOK_S)
            if ended and self.looks:
                return
            self.looks.append(Look(time.perf_counter() - began, self._look()))
