"""Work that goes on on a board: how far it is, when it is over, and what it cost by the board's meter."""

from __future__ import annotations

from typing import Protocol

from edge_client.core.events import TrainingOrder
from edge_client.core.timing import earliest


class Bench(Protocol):
    """What work needs of a board; see `board.py`."""

    @property
    def energy_mj(self) -> float:
        """Of the whole board since its start, as its meter counts."""
        ...

    @property
    def ms_per_step(self) -> float:
        """At the present clock rate."""
        ...

    def advance(self, now_ms: int) -> None:
        """Let physics happen up to now."""
        ...

    def work(self, *, on: bool) -> None:
        """Training begins or ends."""
        ...

    def next_change(self) -> int | None:
        """When the speed changes at the latest, if nothing else happens."""
        ...


class Work:
    """Ends when its steps are done, not when somebody looks: a shell that is late must not cost energy."""

    def __init__(self, order: TrainingOrder, steps: int, done: int, bench: Bench, now_ms: int) -> None:
        """`done` of the `steps` were done before the work was interrupted."""
        self.order = order
        self.steps = steps
        self.is_over = False
        self.is_computing = False
        """The shell has been asked for the result."""
        self.train_ms = done * bench.ms_per_step
        self._bench = bench
        self._left = float(max(0, steps - done))
        self._since_ms = now_ms
        self._meter_mj = bench.energy_mj
        bench.work(on=True)

    @property
    def steps_done(self) -> int:
        """Whole steps."""
        return int(self.steps - self._left)

    @property
    def spent_mj(self) -> float:
        """By the whole board while this work went on."""
        return self._meter_mj if self.is_over else self._bench.energy_mj - self._meter_mj

    @property
    def ends_ms(self) -> int:
        """When it will be over, or was, if the board stays as fast."""
        return self._since_ms + -int(-self._left * self._bench.ms_per_step // 1)

    def advance(self, now_ms: int) -> None:
        """Let it go on up to now; the board, which may not be ahead, comes along while it works."""
        while not self.is_over:
            if self._left <= 0:
                self._meter_mj = self.spent_mj
                self.is_over = True
                self._bench.work(on=False)
            elif self._since_ms >= now_ms:
                return
            else:
                self._pass(now_ms)

    def stop(self) -> None:
        """It is interrupted, or nobody waits for it any more."""
        if not self.is_over:
            self._bench.work(on=False)

    def _pass(self, now_ms: int) -> None:
        """To the next moment at which something changes."""
        ms_per_step = self._bench.ms_per_step
        until_ms = earliest(now_ms, self.ends_ms, self._bench.next_change()) or now_ms
        until_ms = max(until_ms, self._since_ms + 1)
        self.train_ms += until_ms - self._since_ms
        self._left = max(0.0, self._left - (until_ms - self._since_ms) / ms_per_step)
        self._since_ms = until_ms
        self._bench.advance(until_ms)
