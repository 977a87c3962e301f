"""One simulated board: its twin, its disk, and the process that may die and start again."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from edge_client.adapters.memory_disk import MemoryDisk
from edge_client.core.agent import LOST, Agent
from edge_client.core.conditions.limits import Limits
from edge_client.core.conditions.scheduler import Scheduler
from edge_client.core.events import (
    Halt,
    PublishChunk,
    SettleWish,
    TrainingFailed,
    TrainingFinished,
    TrainingOrder,
)
from edge_client.core.identity import Identity
from edge_client.runtime.transport import Will
from firmware_profiles.simulate.chain import SimulationError
from firmware_profiles.simulate.world import Node, World
from firmware_profiles.twin.device import Board, Compute, Keep, Progress, TwinDevice
from firmware_profiles.twin.draws import drawn

Train = Callable[["SimulatedDevice", TrainingOrder], TrainingFinished | TrainingFailed]
"""Makes the result of an order; objects go to the device's disk."""


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """What a board is: `number` names its random streams, `share` its part of the data."""

    number: int
    share: int
    identity: Identity
    limits: Limits
    board: Board
    samples: int
    seed: int


class SimulatedDevice:
    """A board in the world; its disk and its physics survive the process."""

    def __init__(
        self, world: World, setup: DeviceSetup, train: Train, pool: MutableMapping[bytes, bytes]
    ) -> None:
        self.setup = setup
        self.disk = MemoryDisk(pool)
        self.node: Node | None = None
        self.starts = 0
        self._world = world
        self._train = train

    def start(self) -> None:
        """Start the process and connect."""
        setup, disk = self.setup, self.disk
        self.starts += 1
        seed = drawn(setup.seed, f"start {self.starts}", setup.number)
        stored = disk.stored()
        scheduler = Scheduler(setup.limits, tuple(disk.costs))
        agent = Agent(setup.identity, seed, stored, scheduler)
        kept = None if stored.interrupted is None else disk.objects.get(stored.interrupted.root)
        progress = None if kept is None else Progress.decode(kept)
        twin = TwinDevice(agent, scheduler, setup.board, setup.samples, progress)
        device = setup.identity.device
        will = Will(setup.identity.topics.up_state(device), LOST)
        self.node = Node(self._world, device, twin, self._executors(), will)
        self.node.executors[PublishChunk] = self._publish_chunk
        self._world.add(self.node)

    def kill(self) -> None:
        """As `kill -9` or a drained battery do."""
        if self.node is not None:
            self.setup.board.work(on=False)
            self.node.kill()
            self.node = None

    def _executors(self) -> dict[type[Any], Callable[[Any], None]]:
        return {
            **self.disk.executors(),
            Compute: self._compute,
            Keep: lambda one: self.disk.objects.put(one.root, one.data),
            Halt: _halt,
            SettleWish: lambda _one: None,
        }

    def _publish_chunk(self, effect: PublishChunk) -> None:
        assert self.node is not None
        self.node.transport.publish(self.disk.chunk(effect))

    def _compute(self, effect: Compute) -> None:
        node = self.node
        assert node is not None
        result = self._train(self, effect.order)
        self._world.later(0, lambda: node.post(result))


def _halt(effect: Halt) -> None:
    raise SimulationError(f"a device halted: {effect.why}")
