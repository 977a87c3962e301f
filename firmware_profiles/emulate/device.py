"""One emulated board: its twin, its state folder, its MQTT client, and the process that may die and start."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.outbox_store import ResidualPart
from edge_client.core.agent import LOST, Agent, Phase
from edge_client.core.conditions.scheduler import Scheduler
from edge_client.core.events import (
    GoOffline,
    GoOnline,
    Halt,
    ModelMeasured,
    PublishChunk,
    SettleUpdate,
    SettleWish,
    TrainingFailed,
    TrainingFinished,
    TrainingOrder,
    TrainingPaused,
)
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.machine import Note, Publish, Refused, Subscribe, Unsubscribe
from edge_client.runtime.clock import Clock
from edge_client.runtime.mqtt import MqttTransport
from edge_client.runtime.mqtt_options import MqttLimits, MqttOptions, ServerAddress
from edge_client.runtime.objects import ObjectStore
from edge_client.runtime.transport import Will
from firmware_profiles.emulate.crowd import Crowd, Place, Told
from firmware_profiles.emulate.link import ReachableLink
from firmware_profiles.report.tally import Tally
from firmware_profiles.report.traced import Traced
from firmware_profiles.simulate.device import RESTART_MS, DeviceSetup
from firmware_profiles.twin import draws
from firmware_profiles.twin.device import Began, Compute, Died, Keep, Progress, TwinDevice
from firmware_profiles.twin.presence import Pattern

PAST_ROUNDS_MAX = 1000
Outcome = ModelMeasured | TrainingFinished | TrainingFailed | TrainingPaused


class HaltedError(RuntimeError):
    """A device found two histories: our own bug, or a chain that forked."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Work whose time is over: what it needs of the device."""

    setup: DeviceSetup
    genesis: Genesis
    order: TrainingOrder
    objects: ObjectStore
    parts: tuple[ResidualPart, ...]


Train = Callable[[Assignment], Sequence[Outcome]]


@dataclass(frozen=True, slots=True)
class Around:
    """What all devices of a process share. State folders are in `folder`, each begins as a copy of `new`;
    `midnight_ms` is when the rehearsal began, by `clock`."""

    crowd: Crowd
    post: Callable[[Told], None]
    clock: Clock
    midnight_ms: int
    servers: tuple[ServerAddress, ...]
    limits: MqttLimits
    folder: Path
    new: Path
    train: Train
    tally: Tally

    def later(self, delay_ms: int, step: Callable[[], None]) -> None:
        """Do something when so much time has passed."""
        self.crowd.later(self.clock.now_ms() + max(1, delay_ms), step)


class EmulatedDevice:
    """A board; its state folder and its physics survive the process. It can reach the MQTT server while all
    patterns of `presence` are on."""

    def __init__(self, around: Around, setup: DeviceSetup, presence: Sequence[Pattern]) -> None:
        self.setup = setup
        self.twin: TwinDevice | None = None
        self.starts = 0
        self._started_ms = 0
        self._around = around
        self._presence = presence
        self._disk: DeviceDisk | None = None
        self._link: ReachableLink | None = None
        self._place = Place(setup.number, 0)
        self._begun = 0
        self._trained_ms: dict[int, int] = {}
        self._executors: dict[type[Any], Callable[[Any], None]] = {}

    @property
    def state(self) -> str:
        """As in a trace."""
        if self.twin is None or self._link is None:
            return "off"
        if self.twin.is_training:
            return "training"
        return "asleep" if self._link.is_asleep else "idle"

    def is_joining(self, within_ms: int) -> bool:
        """It has been started no longer ago, and still fetches what it needs to take part."""
        if self.twin is None or self._around.clock.now_ms() - self._started_ms > within_ms:
            return False
        return self.twin.agent.phase in {Phase.JOINING, Phase.SYNCING}

    def execute(self, place: Place, effect: Any) -> None:
        """Run an effect of the machine; one of an earlier life is dropped."""
        if place == self._place and self.twin is not None:
            self._executors[type(effect)](effect)

    # --- life ---------------------------------------------------------------------------------------------

    def power_up(self) -> None:
        """Somebody switches the board on."""
        self._start_with_power()
        self._expect_presence()

    def kill(self, back_ms: int) -> None:
        """As a crash does; the process is started again after `back_ms`."""
        if self.twin is not None:
            self.end()
            self._around.later(back_ms, self._start_with_power)

    def end(self) -> None:
        """The process is gone; what it stored stays, and what it counted is in the tally."""
        twin, self.twin = self.twin, None
        if twin is None or self._link is None or self._disk is None:
            return
        tally = self._around.tally
        tally.of(self.setup.number).gates_closed_ms.update(twin.closed_ms)
        tally.bytes_up.update(twin.up_bytes)
        tally.bytes_down.update(twin.down_bytes)
        self._around.crowd.remove(self._place)
        self.setup.board.work(on=False)
        self.setup.board.hold(on=False)
        self._link.sleep()
        self._disk.close()
        self._link = self._disk = None

    def _start_with_power(self) -> None:
        board = self.setup.board
        board.advance(self._around.clock.now_ms())
        if self.twin is not None:
            return
        if board.is_alive:
            self._start()
        else:
            self._wait_for_power()

    def _start(self) -> None:
        """Build everything from the state folder, and connect."""
        setup, around = self.setup, self._around
        self.starts += 1
        identity, device = setup.identity, setup.identity.device
        folder = around.folder / f"device-{setup.number}"
        if self.starts == 1:
            shutil.copytree(around.new, folder)  # making the tables anew takes twenty times as long
        self._disk = disk = DeviceDisk(folder, identity.chain_id)
        self._started_ms = around.clock.now_ms()
        stored = disk.stored()
        scheduler = Scheduler(setup.limits, tuple(disk.outbox.costs(PAST_ROUNDS_MAX).values()))
        seed = draws.drawn(setup.seed, f"start {self.starts}", setup.number)
        agent = Agent(identity, seed, stored, scheduler, setup.sleep)
        kept = None if stored.interrupted is None else disk.objects.get(stored.interrupted.root)
        progress = None if kept is None else Progress.decode(kept)
        self.twin = TwinDevice(agent, scheduler, setup.board, setup.samples, progress)
        will = Will(identity.topics.up_state(device), LOST)
        transport = MqttTransport(MqttOptions(around.servers, device, will=will, limits=around.limits))
        self._link = ReachableLink(transport, reachable=self._is_present())
        self._executors = self._executors_of(disk, self._link)
        self._place = Place(setup.number, self.starts)
        points = around.tally.trace(setup.number)
        machine = (
            self.twin
            if points is None
            else Traced(self.twin, setup.board, points, lambda: self.state, around.midnight_ms)
        )
        around.crowd.add(self._place, machine)
        self._link.start(around.crowd.poster(self._place, around.post))

    # --- effects of its own -------------------------------------------------------------------------------

    def _executors_of(self, disk: DeviceDisk, link: ReachableLink) -> dict[type[Any], Callable[[Any], None]]:
        tally, number = self._around.tally, self.setup.number
        return {
            **disk.executors(),
            Publish: link.publish,
            PublishChunk: lambda one: link.publish(disk.chunk(one)),
            Subscribe: lambda one: link.subscribe(one.filters),
            Unsubscribe: lambda one: link.unsubscribe(one.filters),
            GoOnline: lambda _one: link.wake(),
            GoOffline: lambda _one: link.sleep(),
            SettleUpdate: lambda one: self._settle(disk, one),
            Began: self._drop_out,
            Compute: lambda one: self._compute(disk, one),
            Keep: lambda one: disk.objects.put(one.root, one.data),
            Died: lambda _one: self._lose_power(),
            Note: lambda one: tally.note(number, one),
            Refused: tally.refused,
            Halt: _halt,
            SettleWish: lambda _one: None,
        }

    def _compute(self, disk: DeviceDisk, effect: Compute) -> None:
        genesis = disk.genesis()
        if genesis is None:
            raise RuntimeError("training was ordered before genesis was saved")
        parts = tuple(disk.outbox.residual())
        work = Assignment(self.setup, genesis, effect.order, disk.objects, parts)
        self._trained_ms[effect.order.round] = self._around.clock.now_ms()
        for outcome in self._around.train(work):
            self._around.post(Told(self._place, outcome))

    def _settle(self, disk: DeviceDisk, effect: SettleUpdate) -> None:
        made = {one.head.update_root: one.head.round for one in disk.outbox.pending()}
        disk.outbox.settle(effect)
        trained_ms = self._trained_ms.pop(made.get(effect.update_root, -1), self._around.clock.now_ms())
        self._around.tally.settled(self.setup.number, effect, trained_ms)

    def _drop_out(self, effect: Began) -> None:
        """Whether this work is one of those that the fleet file lets fail, and when it does."""
        setup, around, starts = self.setup, self._around, self.starts
        self._begun += 1
        purpose = f"drop-out {self._begun}"
        if draws.share(setup.seed, purpose, setup.number) >= setup.drop_out:
            return
        at = draws.share(setup.seed, f"{purpose} at", setup.number)
        delay_ms = round(at * (effect.ends_ms - around.clock.now_ms()))
        around.later(delay_ms, lambda: self.kill(RESTART_MS) if self.starts == starts else None)

    # --- power and presence -------------------------------------------------------------------------------

    def _lose_power(self) -> None:
        self.end()
        if self.setup.board.battery_share is not None:  # else it was the mains
            self._around.tally.of(self.setup.number).empty_batteries += 1
        self._wait_for_power()

    def _wait_for_power(self) -> None:
        change_ms = self.setup.board.next_change()
        if change_ms is not None:
            self._around.later(change_ms - self._around.clock.now_ms(), self._start_with_power)

    def _is_present(self) -> bool:
        return all(one.on for one in self._presence)

    def _expect_presence(self) -> None:
        next_s = min((one.next_s for one in self._presence), default=None)
        if next_s is not None:
            due_ms = self._around.midnight_ms + round(next_s * 1000)
            self._around.later(due_ms - self._around.clock.now_ms(), self._turn)

    def _turn(self) -> None:
        now_s = (self._around.clock.now_ms() - self._around.midnight_ms) / 1000
        for one in self._presence:
            one.advance(now_s)
        if self._link is not None:
            self._link.reach(reachable=self._is_present())
        self._expect_presence()


def _halt(effect: Halt) -> None:
    raise HaltedError(f"a device halted: {effect.why}")
