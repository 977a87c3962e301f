"""A simulated device's shell: a disk in memory, and a link and a clock in the world."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from edge_client.adapters.memory_disk import MemoryDisk
from edge_client.core.events import TrainingOrder
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.machine import Machine
from edge_client.runtime.transport import Will
from firmware_profiles.fleet.founding import DeviceSetup
from firmware_profiles.fleet.shell import Executors, link_executors
from firmware_profiles.fleet.work import Train, Work, done
from firmware_profiles.simulate.network import Network
from firmware_profiles.simulate.world import Node, World


@dataclass(frozen=True, slots=True)
class Around:
    """What all devices of a world share; `pool` has the objects that all of them fetch."""

    world: World
    network: Network
    genesis: Genesis
    train: Train
    pool: MutableMapping[bytes, bytes]


class SimulatedShell:
    """See `Shell`."""

    def __init__(self, around: Around, setup: DeviceSetup) -> None:
        self.disk = MemoryDisk(around.pool)
        self.node: Node | None = None
        self._around = around
        self._setup = setup

    @property
    def is_asleep(self) -> bool:
        """See `Shell`."""
        return self.node is not None and self.node.transport.asleep

    def now_ms(self) -> int:
        """See `Shell`."""
        return self._around.world.now_ms

    def later(self, delay_ms: int, step: Callable[[], None]) -> None:
        """See `Shell`."""
        self._around.world.later(delay_ms, step)

    def open(self) -> MemoryDisk:
        """See `Shell`."""
        return self.disk

    def run(self, machine: Machine[Any, Any], executors: Executors, will: Will) -> None:
        """See `Shell`."""
        node = Node(self._around.world, self._setup.identity.device, machine, executors, will)
        node.executors |= link_executors(node.transport, self.disk)
        self.node = node
        self._around.world.add(node)

    def train(self, order: TrainingOrder) -> None:
        """See `Shell`."""
        parts = tuple(self.disk.residual)
        work = Work(self._setup, self._around.genesis, order, self.disk.objects, parts)
        node, outcomes = self.node, done(self._around.train, work)
        if node is not None:
            for outcome in outcomes:
                self.later(0, partial(node.post, outcome))

    def kill(self) -> None:
        """See `Shell`."""
        node, self.node = self.node, None
        if node is not None:
            node.kill()

    def reach(self, *, on: bool) -> None:
        """See `Shell`."""
        offline, client = self._around.network.offline, self._setup.identity.device
        was_on = client not in offline
        if on == was_on:
            return
        if not on:
            offline.add(client)
            self._around.world.server.cut(client, "out of reach")
            return
        offline.discard(client)
        if self.node is not None and self.node.transport.wants_link:
            self._around.world.server.heal(self.node.transport)
