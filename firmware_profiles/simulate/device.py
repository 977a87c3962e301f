"""One simulated board: its twin, its disk, and the process that may die and start again."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from edge_client.adapters.memory_disk import MemoryDisk
from edge_client.core.agent import LOST, Agent
from edge_client.core.bursts import Sleep
from edge_client.core.conditions.limits import Limits
from edge_client.core.conditions.scheduler import Scheduler
from edge_client.core.events import (
    GoOffline,
    GoOnline,
    Halt,
    PublishChunk,
    SettleUpdate,
    SettleWish,
    TrainingFailed,
    TrainingFinished,
    TrainingOrder,
)
from edge_client.core.identity import Identity
from edge_client.protocol.machine import Note, Refused
from edge_client.runtime.transport import Will
from firmware_profiles.report.tally import Tally
from firmware_profiles.report.traced import Traced
from firmware_profiles.simulate.chain import SimulationError
from firmware_profiles.simulate.world import Node, World
from firmware_profiles.twin import draws
from firmware_profiles.twin.board import TwinBoard
from firmware_profiles.twin.device import Began, Compute, Died, Keep, Progress, TwinDevice

Train = Callable[["SimulatedDevice", TrainingOrder], TrainingFinished | TrainingFailed]
"""Makes the result of an order; objects go to the device's disk."""
REBOOT_MS = 40_000
"""From power to the agent's first breath."""
RESTART_MS = 10_000
"""Until the service manager starts a process again that died."""


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """What a board is: `number` names its random streams, `share` its part of the lesson. In a round it takes
    part in, it fails with the probability `drop_out`."""

    number: int
    share: int
    identity: Identity
    limits: Limits
    sleep: Sleep
    board: TwinBoard
    samples: int
    drop_out: float
    seed: int


@dataclass(frozen=True, slots=True)
class Around:
    """What all devices of a world share."""

    world: World
    train: Train
    tally: Tally
    pool: MutableMapping[bytes, bytes]


class SimulatedDevice:
    """A board in the world; its disk and its physics survive the process."""

    def __init__(self, around: Around, setup: DeviceSetup) -> None:
        self.setup = setup
        self.disk = MemoryDisk(around.pool)
        self.node: Node | None = None
        self.twin: TwinDevice | None = None
        self.starts = 0
        self.drop_outs = 0
        self._around = around
        self._begun = 0

    @property
    def state(self) -> str:
        """As in a trace."""
        if self.node is None or self.twin is None:
            return "off"
        if self.twin.is_training:
            return "training"
        return "asleep" if self.node.transport.asleep else "idle"

    def start(self) -> None:
        """Start the process and connect."""
        setup, disk = self.setup, self.disk
        self.starts += 1
        seed = draws.drawn(setup.seed, f"start {self.starts}", setup.number)
        stored = disk.stored()
        scheduler = Scheduler(setup.limits, tuple(disk.costs))
        agent = Agent(setup.identity, seed, stored, scheduler, setup.sleep)
        kept = None if stored.interrupted is None else disk.objects.get(stored.interrupted.root)
        progress = None if kept is None else Progress.decode(kept)
        self.twin = TwinDevice(agent, scheduler, setup.board, setup.samples, progress)
        device = setup.identity.device
        will = Will(setup.identity.topics.up_state(device), LOST)
        points = self._around.tally.trace(setup.number)
        machine = (
            self.twin
            if points is None
            else Traced(self.twin, setup.board, points, lambda: self.state, self._around.tally.began_ms)
        )
        self.node = Node(self._around.world, device, machine, {}, will)
        self.node.executors |= self._executors(self.node)
        self._around.world.add(self.node)

    def power_up(self) -> None:
        """Somebody switches the board on."""
        self._start_with_power()

    def kill(self, back_ms: int) -> None:
        """As `kill -9` or a crash do; the process is started again after `back_ms`."""
        if self.node is not None:
            self._end()
            self._around.world.later(back_ms, self._start_with_power)

    def _end(self) -> None:
        node, self.node = self.node, None
        if node is not None and self.twin is not None:
            tally = self._around.tally.of(self.setup.number)
            tally.gates_closed_ms.update(self.twin.closed_ms)
            self._around.tally.bytes_up.update(self.twin.up_bytes)
            self._around.tally.bytes_down.update(self.twin.down_bytes)
            self.setup.board.work(on=False)
            self.setup.board.hold(on=False)
            node.kill()

    def finish(self) -> None:
        """The rehearsal is over: what was counted goes into the tally."""
        self._end()

    # --- effects of its own -------------------------------------------------------------------------------

    def _executors(self, node: Node) -> dict[type[Any], Callable[[Any], None]]:
        disk, tally, number = self.disk, self._around.tally, self.setup.number
        return {
            **disk.executors(),
            SettleUpdate: self._settle,
            PublishChunk: lambda one: node.transport.publish(disk.chunk(one)),
            GoOnline: lambda _one: node.transport.wake(),
            GoOffline: lambda _one: node.transport.sleep(),
            Began: self._drop_out,
            Compute: self._compute,
            Keep: lambda one: disk.objects.put(one.root, one.data),
            Died: lambda _one: self._lose_power(),
            Note: lambda one: tally.note(number, one),
            Refused: tally.refused,
            Halt: _halt,
            SettleWish: lambda _one: None,
        }

    def _compute(self, effect: Compute) -> None:
        node, result = self.node, self._around.train(self, effect.order)
        if node is not None:
            self._around.world.later(0, lambda: node.post(result))

    def _settle(self, effect: SettleUpdate) -> None:
        update = self.disk.updates[effect.update_root].head
        self.disk.executors()[SettleUpdate](effect)
        trained_ms = self.disk.ended_ms.get(update.round, self._around.world.now_ms)
        self._around.tally.settled(self.setup.number, effect, trained_ms)

    def _drop_out(self, effect: Began) -> None:
        """Whether this work is one of those that the fleet file lets fail, and when it does."""
        setup, world = self.setup, self._around.world
        self._begun += 1
        purpose = f"drop-out {self._begun}"
        if draws.share(setup.seed, purpose, setup.number) >= setup.drop_out:
            return
        self.drop_outs += 1
        at = draws.share(setup.seed, f"{purpose} at", setup.number) * (effect.ends_ms - world.now_ms)
        starts = self.starts
        world.later(int(at), lambda: self.kill(RESTART_MS) if self.starts == starts else None)

    # --- power --------------------------------------------------------------------------------------------

    def _lose_power(self) -> None:
        self._end()
        if self.setup.board.battery_share is not None:  # else it was the mains
            self._around.tally.of(self.setup.number).empty_batteries += 1
        self._wait_for_power()

    def _wait_for_power(self) -> None:
        world, board = self._around.world, self.setup.board
        change_ms = board.next_change()
        if change_ms is not None:
            world.later(max(1, change_ms - world.now_ms), self._start_with_power)

    def _start_with_power(self) -> None:
        self.setup.board.advance(self._around.world.now_ms)
        if self.node is not None:
            return
        if self.setup.board.is_alive:
            self.start()
        else:
            self._wait_for_power()


def _halt(effect: Halt) -> None:
    raise SimulationError(f"a device halted: {effect.why}")
