"""An emulated device's shell: a state folder, an MQTT client, and a place in the crowd of its process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.core.events import TrainingOrder
from edge_client.protocol.machine import Machine
from edge_client.runtime.clock import Clock
from edge_client.runtime.mqtt import MqttTransport
from edge_client.runtime.mqtt_options import MqttLimits, MqttOptions, ServerAddress
from edge_client.runtime.transport import Will
from firmware_profiles.emulate.crowd import Crowd, Place, Told
from firmware_profiles.emulate.link import Losses, ReachableLink
from firmware_profiles.fleet.founding import DeviceSetup
from firmware_profiles.fleet.shell import Executors, link_executors
from firmware_profiles.fleet.work import Train, Work, done
from firmware_profiles.report.injected import Injected
from firmware_profiles.twin.mishaps import Mishap


@dataclass(frozen=True, slots=True)
class Around:
    """What all devices of a process share. State folders are in `folder`, each begins as a copy of `new`."""

    crowd: Crowd
    post: Callable[[Told], None]
    clock: Clock
    servers: tuple[ServerAddress, ...]
    limits: MqttLimits
    folder: Path
    new: Path
    train: Train
    injected: Injected


class EmulatedShell:
    """See `Shell`."""

    def __init__(self, around: Around, setup: DeviceSetup) -> None:
        self._around = around
        self._setup = setup
        self._disk: DeviceDisk | None = None
        self._link: ReachableLink | None = None
        self._losses = Losses(partial(setup.mishaps.loses, setup.identity.device))
        self._place = Place(setup.number, 0)
        self._reachable = True
        self._executors: Executors = {}

    @property
    def is_asleep(self) -> bool:
        """See `Shell`."""
        return self._link is not None and self._link.is_asleep

    def execute(self, place: Place, effect: Any) -> None:
        """Run an effect of the machine; one of an earlier life is dropped."""
        if place == self._place and self._link is not None:
            self._executors[type(effect)](effect)

    def now_ms(self) -> int:
        """See `Shell`."""
        return self._around.clock.now_ms()

    def later(self, delay_ms: int, step: Callable[[], None]) -> None:
        """See `Shell`."""
        self._around.crowd.later(self.now_ms() + max(1, delay_ms), step)

    def open(self) -> DeviceDisk:
        """See `Shell`. Copied when it is new: making the tables anew takes twenty times as long."""
        folder = self._around.folder / f"device-{self._setup.number}"
        if not folder.exists():
            shutil.copytree(self._around.new, folder)
        self._disk = DeviceDisk(folder, self._setup.identity.chain_id)
        return self._disk

    def run(self, machine: Machine[Any, Any], executors: Executors, will: Will) -> None:
        """See `Shell`."""
        around, disk = self._around, self._opened()
        options = MqttOptions(around.servers, self._setup.identity.device, will=will, limits=around.limits)
        self._link = ReachableLink(MqttTransport(options), self._losses, reachable=self._reachable)
        self._executors = {**executors, **link_executors(self._link, disk)}
        self._place = Place(self._setup.number, self._place.life + 1)
        around.crowd.add(self._place, machine)
        self._link.start(around.crowd.poster(self._place, around.post))

    def train(self, order: TrainingOrder) -> None:
        """See `Shell`."""
        disk = self._opened()
        genesis = disk.genesis()
        if genesis is None:
            raise RuntimeError("training was ordered before genesis was saved")
        work = Work(self._setup, genesis, order, disk.objects, disk.outbox.residual())
        for outcome in done(self._around.train, work):
            self._around.post(Told(self._place, outcome))

    def kill(self) -> None:
        """See `Shell`."""
        link, disk, self._link, self._disk = self._link, self._disk, None, None
        self._around.crowd.remove(self._place)
        self._around.injected.count(Mishap.LOST_MESSAGE.value, self._losses.take())
        if link is not None:
            link.sleep()
        if disk is not None:
            disk.close()

    def reach(self, *, on: bool) -> None:
        """See `Shell`."""
        self._reachable = on
        if self._link is not None:
            self._link.reach(reachable=on)

    def _opened(self) -> DeviceDisk:
        if self._disk is None:
            raise RuntimeError("the state folder is not open")
        return self._disk
