"""A board around the agent, as a machine: readings in, work in its own time, joules counted (ADR 0015)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Protocol

from edge_client.core.agent import Agent
from edge_client.core.conditions.prediction import Cost
from edge_client.core.conditions.readings import Conditions
from edge_client.core.conditions.scheduler import Scheduler
from edge_client.core.events import (
    ConditionsRead,
    GoOffline,
    PauseTraining,
    PublishChunk,
    StartTraining,
    StopTraining,
    TrainingFailed,
    TrainingFinished,
    TrainingOrder,
    TrainingPaused,
)
from edge_client.core.timing import earliest
from edge_client.protocol.chunks import CHUNK_BYTES, blob_root
from edge_client.protocol.execution.checks import steps_asked
from edge_client.protocol.machine import LinkLost, LinkUp, Publish, Received, Woke
from firmware_profiles.twin.work import Bench, Work

READ_AGE_MS_MAX = 30_000
"""The agent's readings are never older than the ones a real board's shell makes."""
PACKET_BYTES = 100
"""What goes over the link with each message beside topic and payload: MQTT, TLS, TCP and IP headers, and the
acknowledgement back."""
KINDS = frozenset(("head", "say", "chunk", "ask", "state"))
CONNECT_UP_BYTES, CONNECT_DOWN_BYTES = 1_500, 3_500
"""A TLS handshake with an Ed25519 chain, CONNECT and the subscriptions."""


class Board(Bench, Protocol):
    """What a board is to its agent: readings, speed and a counter of joules; see `board.py`."""

    @property
    def is_alive(self) -> bool:
        """Whether it has power."""
        ...

    def conditions(self) -> Conditions:
        """What the readers would find, as of the last `advance`."""
        ...

    def hold(self, *, on: bool) -> None:
        """A connection is up from now on, or is not."""
        ...

    def radio(self, up_bytes: int, down_bytes: int) -> None:
        """So much goes over the link now."""
        ...

    def next_change(self) -> int | None:
        """When a reading crosses a limit that a gate asks about, or the speed changes, if nothing else
        happens."""
        ...


@dataclass(frozen=True, slots=True)
class Compute:
    """The time that the work takes is over: the shell answers with `TrainingFinished` or `TrainingFailed`."""

    order: TrainingOrder


@dataclass(frozen=True, slots=True)
class Began:
    """Training has begun or goes on; it will last until `ends_ms` if nothing changes."""

    round: int
    ends_ms: int


@dataclass(frozen=True, slots=True)
class Died:
    """The board has no power: the shell ends the process, and starts it when the board lives again."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep an object of the board's own: how far interrupted work came."""

    root: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps that interrupted work has done; the checkpoint of a twin."""

    round: int
    steps: int

    def encode(self) -> bytes:
        """As an object."""
        return self.round.to_bytes(4, "big") + self.steps.to_bytes(4, "big")

    @classmethod
    def decode(cls, data: bytes) -> Progress:
        """The inverse of `encode`."""
        return cls(int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big"))


class TwinDevice:
    """The machine; `samples` are those that the board's data source holds for training."""

    def __init__(
        self,
        agent: Agent,
        scheduler: Scheduler,
        board: Board,
        samples: int,
        progress: Progress | None = None,
    ) -> None:
        """`progress` is that of the work which the agent finds interrupted on its disk."""
        self.agent = agent
        self.scheduler = scheduler
        self.board = board
        self.samples = samples
        self.up_bytes: Counter[str] = Counter()
        self.down_bytes: Counter[str] = Counter()
        self.closed_ms: Counter[str] = Counter()
        """How long each gate was closed."""
        self._sizes: dict[bytes, int] = {}
        """Of the bodies made by this process."""
        self._seen_ms: int | None = None
        self._progress = progress
        self._work: Work | None = None
        self._read_ms: int | None = None
        self._change_ms: int | None = None
        self._counted = (0, 0)

    # --- machine contract ---------------------------------------------------------------------------------

    def handle(self, event: Any, now_ms: int) -> list[Any]:
        """Take one event of the link, of the shell, or a deadline; see `Machine`."""
        self._advance(now_ms)
        effects: list[Any] = []
        if isinstance(event, Received):
            self._hear(_kind(event.topic), len(event.topic) + len(event.payload) + PACKET_BYTES)
        elif isinstance(event, LinkUp):
            self._say("connect", CONNECT_UP_BYTES)
            self._hear("connect", CONNECT_DOWN_BYTES)
            self.board.hold(on=True)
        elif isinstance(event, LinkLost):
            self.board.hold(on=False)
        if self._is_blind(now_ms):
            self._read_ms = now_ms
            effects += self._tell(ConditionsRead(self.board.conditions()), now_ms)
        if isinstance(event, Woke):
            effects += self._finished_work()
        effects += self._tell(self._completed(event), now_ms)
        self._change_ms = self.board.next_change()
        return effects if self.board.is_alive else [*effects, Died()]

    def deadline(self) -> int | None:
        """See `Machine`."""
        work = self._work
        ends_ms = None if work is None or work.is_computing else work.ends_ms
        return earliest(self.agent.deadline(), ends_ms, self._change_ms, self._opens_ms())

    # --- time ---------------------------------------------------------------------------------------------

    def _advance(self, now_ms: int) -> None:
        if self._seen_ms is not None:
            for gate in self.scheduler.closed:
                self.closed_ms[gate] += now_ms - self._seen_ms
        self._seen_ms = now_ms
        if self._work is not None:
            self._work.advance(now_ms)
        self.board.advance(now_ms)

    def _is_blind(self, now_ms: int) -> bool:
        if self._read_ms is None or now_ms - self._read_ms > READ_AGE_MS_MAX:
            return True
        due_ms = earliest(self._change_ms, self._opens_ms())
        return due_ms is not None and due_ms <= now_ms

    def _opens_ms(self) -> int | None:
        """When a gate opens of which that is known for certain: those that ask for the time."""
        known = [one.forecast_ms for one in self.scheduler.verdicts if not one.open and one.target is None]
        return earliest(*known)

    @property
    def is_training(self) -> bool:
        """Whether work goes on."""
        return self._work is not None

    def _finished_work(self) -> list[Any]:
        """The result is asked for once."""
        work = self._work
        if work is None or work.is_computing or not work.is_over:
            return []
        work.is_computing = True
        return [Compute(work.order)]

    # --- the agent, and what it wants of its board --------------------------------------------------------

    def _tell(self, event: Any, now_ms: int) -> list[Any]:
        passed = []
        for effect in self.agent.handle(event, now_ms):
            if isinstance(effect, StartTraining):
                passed += self._begin(effect.order, now_ms)
            elif isinstance(effect, PauseTraining):
                passed += self._pause(effect.round, now_ms)
            elif isinstance(effect, StopTraining):
                self._end()
            else:
                self._sent(effect)
                passed.append(effect)
        return passed

    def _sent(self, effect: Any) -> None:
        if isinstance(effect, GoOffline):
            self.board.hold(on=False)
        elif isinstance(effect, Publish):
            self._say(_kind(effect.topic), len(effect.topic) + len(effect.payload) + PACKET_BYTES)
        elif isinstance(effect, PublishChunk):
            left = self._sizes.get(effect.root, CHUNK_BYTES) - effect.index * CHUNK_BYTES
            self._say("chunk", len(effect.topic) + min(left, CHUNK_BYTES) + PACKET_BYTES)

    def _say(self, kind: str, count: int) -> None:
        self.up_bytes[kind] += count
        self.board.radio(count, 0)

    def _hear(self, kind: str, count: int) -> None:
        self.down_bytes[kind] += count
        self.board.radio(0, count)

    # --- work ---------------------------------------------------------------------------------------------

    def _begin(self, order: TrainingOrder, now_ms: int) -> list[Any]:
        asked = steps_asked(order.params, self.samples)
        steps = asked if order.steps_max is None else min(asked, order.steps_max)
        if steps * 100 < order.params.partial_min_pct * asked or not steps:
            why = f"{steps} of {asked} steps fit into the owner's limits"
            return self._tell(TrainingFailed(order.round, why), now_ms)
        progress, self._progress = self._progress, None
        done = progress.steps if progress is not None and progress.round == order.round else 0
        self._work = Work(order, steps, done, self.board, now_ms)
        return [Began(order.round, self._work.ends_ms)]

    def _pause(self, round_number: int, now_ms: int) -> list[Any]:
        work = self._work
        if work is None or work.is_over:  # it has just ended, as it may on a real board
            return []
        progress = Progress(round_number, work.steps_done)
        data, self._progress = progress.encode(), progress
        self._end()
        paused = TrainingPaused(round_number, blob_root(data), progress.steps)
        return [Keep(paused.checkpoint_root, data), *self._tell(paused, now_ms)]

    def _end(self) -> None:
        if self._work is not None:
            self._work.stop()
        self._work = None

    def _completed(self, event: Any) -> Any:
        """The result of the work, with what it did cost by the board's own meter."""
        if not isinstance(event, (TrainingFinished, TrainingFailed)) or self._work is None:
            return event
        work = self._work
        self._end()
        if isinstance(event, TrainingFailed):
            return event
        self._sizes[event.update_root] = event.size_bytes
        counted, self._counted = self._counted, (self.up_bytes.total(), self.down_bytes.total())
        carried = self._counted[0] - counted[0], self._counted[1] - counted[1]
        cost = Cost(event.steps, round(work.train_ms), round(work.spent_mj), *carried)
        return replace(event, cost=cost)


def _kind(topic: str) -> str:
    """What a topic carries, for the count of bytes: head, say, chunk, ask, state."""
    levels = topic.split("/")
    return next((level for level in reversed(levels) if level in KINDS), "other")
