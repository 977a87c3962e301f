"""Real agents on the virtual network of `world`: their disk is a dictionary, their trainer a seed."""

from __future__ import annotations

from functools import partial
from typing import Any

from edge_client.core.agent import Agent
from edge_client.core.bursts import Sleep
from edge_client.core.events import (
    DropObject,
    GoOffline,
    GoOnline,
    Halt,
    PauseTraining,
    PublishChunk,
    SaveAccount,
    SaveChain,
    SaveCheckpoint,
    SaveConflict,
    SaveHandoffs,
    SaveObject,
    SaveParams,
    SaveUpdate,
    SettleUpdate,
    SettleWish,
    StartTraining,
    StopTraining,
    TrainingFinished,
    TrainingOrder,
)
from edge_client.core.identity import Identity
from edge_client.protocol.chunks import chunk_hash, split
from edge_client.protocol.execution.checks import steps_asked
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.keys import node_id
from edge_client.protocol.machine import Publish
from edge_client.protocol.update import update_root_of
from firmware_profiles.simulate.world import Node
from tests.builders import make_body, make_signers
from tests.device_world import Disk
from tests.simulation.world import World

TRAINING_MS = 3_000


class DeviceNode(Node):
    """One agent; `disk` survives `kill`."""

    world: World

    def __init__(
        self, world: World, number: int, disk: Disk | None = None, sleep: Sleep = Sleep.NEVER
    ) -> None:
        self.number = number
        self.sleep = sleep
        self.bursts = 1
        """How often it connected of its own accord."""
        self.slept_ms = 0
        self._asleep_ms = 0
        self.signer = make_signers(number + 1, "device")[number]
        self.disk = disk or Disk()
        self.settled: list[SettleWish] = []
        world.starts += 1
        seed = digest(Tag.ASK, f"start {world.starts}".encode())
        self.agent = Agent(Identity(self.signer, world.rules.chain_id), seed, self.disk.stored, None, sleep)
        saves = (
            SaveObject,
            DropObject,
            SaveChain,
            SaveHandoffs,
            SaveParams,
            SaveAccount,
            SaveConflict,
            SaveUpdate,
            SaveCheckpoint,
            SettleUpdate,
        )
        executors: dict[type[Any], Any] = dict.fromkeys(saves, self.disk.save)
        executors |= {
            PublishChunk: self._publish_chunk,
            StartTraining: lambda one: self._train(one.order),
            PauseTraining: lambda _one: None,
            StopTraining: lambda _one: None,
            GoOffline: self._go_offline,
            GoOnline: self._go_online,
            Halt: self._halt,
            SettleWish: self.settled.append,
        }
        super().__init__(world, node_id(self.signer.public_key), self.agent, executors)

    def _publish_chunk(self, effect: PublishChunk) -> None:
        piece = split(self.disk.objects[effect.root])[effect.index]
        self.transport.publish(Publish(effect.topic, piece, token=effect.token))

    def _go_offline(self, _effect: GoOffline) -> None:
        self._asleep_ms = self.world.now_ms
        self.transport.sleep()

    def _go_online(self, _effect: GoOnline) -> None:
        self.bursts += 1
        self.slept_ms += self.world.now_ms - self._asleep_ms
        self.transport.wake()

    def _train(self, order: TrainingOrder) -> None:
        self.world.server.later(TRAINING_MS, partial(self._finish, order))

    def _finish(self, order: TrainingOrder) -> None:
        if not self.is_up:
            return
        body = make_body(self.world.genesis.manifest, seed=self.number * 1000 + order.round).encode()
        root = update_root_of(self.signer.public_key, order.round, body)
        residue_root = digest(Tag.CHUNK, root)
        self.disk.objects[root], self.disk.objects[residue_root] = body, b""
        self.post(
            TrainingFinished(
                round=order.round,
                update_root=root,
                size_bytes=len(body),
                chunk_hashes=tuple(chunk_hash(piece) for piece in split(body)),
                residue_root=residue_root,
                consumed=tuple(
                    part for part, freed in self.disk.residual if freed >= order.residual_round_min
                ),
                samples=40,
                steps=steps_asked(order.params, 40),
                loss_before_micro=2_000_000,
                loss_after_micro=1_000_000,
            )
        )

    def _halt(self, effect: Halt) -> None:
        raise AssertionError(effect.why)


def add_device(world: World, number: int, disk: Disk | None = None, sleep: Sleep = Sleep.NEVER) -> DeviceNode:
    """Start device `number`, from its disk if it ran before."""
    node = DeviceNode(world, number, disk, sleep)
    world.add(node)
    return node


def device_heads(world: World) -> set[bytes]:
    """What the running devices have verified."""
    nodes = [node for node in world.nodes if isinstance(node, DeviceNode)]
    heads = [node.disk.head.head if node.disk.head else None for node in nodes]
    return {head.hash if head else b"" for head in heads}
