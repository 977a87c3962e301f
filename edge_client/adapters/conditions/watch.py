"""Looks at the board from a thread of its own: every second while it trains, else twice a minute."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_client.adapters.conditions.board import Board, month_of
from edge_client.adapters.conditions.traffic import MonthBytes, Spending
from edge_client.core.conditions.readings import Unknown
from edge_client.core.events import ConditionsRead
from edge_client.runtime.clock import Clock
from edge_client.runtime.disk import disk_fault
from edge_client.runtime.transport import Traffic

TRAINING_S, IDLE_S = 0.9, 30.0


def nap(changed: threading.Event, training: Callable[[], bool], hurried: Callable[[], bool]) -> None:
    """Until the next look. When something changed that is now if `hurried`, else it is asked anew whether
    somebody trains. Training that is over when its look would be due needs none."""
    left_s = IDLE_S
    while left_s > 0:
        trains = training()
        step_s = min(left_s, TRAINING_S) if trains else left_s
        has_changed = changed.wait(step_s)
        changed.clear()
        if has_changed and hurried():
            return
        if has_changed:
            continue
        if trains and training():
            return
        left_s -= step_s


@dataclass(frozen=True, slots=True)
class Watched:
    """What the watch looks at, whom it tells, and how it knows that somebody trains."""

    folder: Path
    board: Board
    traffic: Callable[[], Traffic]
    spending: Spending
    training: Callable[[], bool]
    post: Callable[[ConditionsRead], None]
    clock: Clock


class ConditionsWatch:
    """The thread; it posts each look and counts bytes and energy meanwhile."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._changed = threading.Event()
        self._stopping = False
        self._looked_ms: int | None = None
        self._metered = False
        """What was spent until now is counted before somebody begins to spend more."""
        self._thread = threading.Thread(target=self._run, name="conditions", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def hasten(self) -> None:
        """Training begins: look at once where it is known what the board takes, and often from now on."""
        self._changed.set()

    def stop(self) -> None:
        """Look no more; what was counted is on the disk afterwards."""
        self._stopping = True
        self._changed.set()
        self._thread.join()

    def _run(self) -> None:
        months = MonthBytes(self._watched.folder)
        try:
            while not self._stopping:
                self._look(months)
                nap(self._changed, self._watched.training, lambda: self._stopping or self._metered)
            self._count_last(months)
        finally:
            months.close()

    def _look(self, months: MonthBytes) -> None:
        watched = self._watched
        conditions = watched.board.look(watched.clock.now_ms(), self._count(months))
        now_ms = time.monotonic_ns() // 1_000_000
        self._metered = not isinstance(conditions.power_w, Unknown)
        if self._looked_ms is not None and not isinstance(conditions.power_w, Unknown):
            watched.spending.add_energy(conditions.power_w, now_ms - self._looked_ms)
        self._looked_ms = now_ms
        watched.spending.sees_link(conditions.link)
        watched.post(ConditionsRead(conditions))

    def _count_last(self, months: MonthBytes) -> None:
        """A full disk ends the process anyhow, with one sentence; its last bytes are then forgotten."""
        try:
            self._count(months, save=True)
        except sqlite3.OperationalError as error:
            if disk_fault(error) is None:
                raise

    def _count(self, months: MonthBytes, *, save: bool = False) -> int:
        traffic, month = self._watched.traffic(), month_of(self._watched.clock.now_ms())
        return months.count(month, traffic.up_all_bytes, traffic.down_all_bytes, save)
