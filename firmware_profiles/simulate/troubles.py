"""What the fleet file lets go wrong in a simulated world, and when: processes that crash, an MQTT server that
is away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import log

from firmware_profiles.fleet.device import FleetDevice
from firmware_profiles.report.record import Fault
from firmware_profiles.simulate.network import RECONNECT_MS_MAX, Network
from firmware_profiles.simulate.world import Node, World
from firmware_profiles.twin.draws import share

DAY_MS = 86_400_000
FAULTS_MAX = 500
"""Listed in the report; the rest is only counted."""


@dataclass(slots=True)
class Troubles:
    """Makes trouble in one world; `seed` draws when."""

    world: World
    network: Network
    seed: int
    midnight_ms: int
    faults: list[Fault] = field(default_factory=list)
    count: int = 0

    def note(self, kind: str, what: str) -> None:
        """Something was broken on purpose."""
        self.count += 1
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(Fault(self.world.now_ms - self.midnight_ms, kind, what))

    # --- crashes and outages ------------------------------------------------------------------------------

    def crash(self, device: FleetDevice, a_day: float) -> None:
        """The process of a device crashes so often, at random."""
        number = device.setup.number

        def strike() -> None:
            if device.twin is not None:
                self.note("crash", f"process of device {number}")
                device.kill()

        self._repeat(f"crash {number}", a_day, strike)

    def lose_server(self, a_day: float, lasts_s: float) -> None:
        """The MQTT server dies so often and comes back with an empty memory."""

        def strike() -> None:
            self.note("mqtt-outage", f"MQTT server away for {lasts_s:.0f} s")
            self.network.is_server_up = False
            self.world.server.restart()
            self.world.later(round(lasts_s * 1000), self._server_back)

        self._repeat("mqtt outage", a_day, strike)

    def _server_back(self) -> None:
        self.network.is_server_up = True
        for place, node in enumerate(self.world.nodes):
            wait_ms = share(self.seed, f"reconnect {self.world.now_ms}", place) * RECONNECT_MS_MAX
            self.world.later(round(wait_ms), self._healer(node))

    def _healer(self, node: Node) -> Callable[[], None]:
        def heal() -> None:
            if node.is_up and node.transport.wants_link:
                self.world.server.heal(node.transport)

        return heal

    def _repeat(self, purpose: str, a_day: float, strike: Callable[[], None]) -> None:
        """Do it at random times, so often on average."""
        if a_day <= 0:
            return
        number = 0

        def again() -> None:
            nonlocal number
            number += 1
            wait_ms = -log(1 - share(self.seed, purpose, number)) * DAY_MS / a_day
            self.world.later(max(1, round(wait_ms)), fire)

        def fire() -> None:
            strike()
            again()

        again()
