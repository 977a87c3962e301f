"""The MQTT server and the validators of a simulated world: how they start, break and come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from firmware_profiles.simulate.chain import Chain
from firmware_profiles.simulate.network import RECONNECT_MS_MAX, Network
from firmware_profiles.simulate.world import Node, World
from firmware_profiles.twin.draws import share


@dataclass(slots=True)
class Infrastructure:
    """See `Breakable`. `observe` is shown each validator that starts; `seed` draws who reconnects when."""

    world: World
    network: Network
    chain: Chain
    observe: Callable[[Node], None]
    seed: int
    _nodes: dict[int, Node] = field(default_factory=dict)

    @property
    def owns_server(self) -> bool:
        """See `Breakable`."""
        return True

    @property
    def validators(self) -> range:
        """See `Breakable`."""
        return range(len(self.chain.signers))

    def now_ms(self) -> int:
        """See `Breakable`."""
        return self.world.now_ms

    def later(self, delay_ms: int, step: Callable[[], None]) -> None:
        """See `Breakable`."""
        self.world.later(delay_ms, step)

    def lose_server(self) -> None:
        """See `Breakable`."""
        self.network.is_server_up = False
        self.world.server.restart()

    def restore_server(self) -> None:
        """See `Breakable`. Clients come back one by one."""
        self.network.is_server_up = True
        for place, node in enumerate(self.world.nodes):
            wait_ms = share(self.seed, f"reconnect {self.world.now_ms}", place) * RECONNECT_MS_MAX
            self.world.later(round(wait_ms), self._healer(node))

    def kill_validator(self, number: int) -> None:
        """See `Breakable`."""
        self._nodes.pop(number).kill()

    def start_validator(self, number: int) -> None:
        """See `Breakable`."""
        node = self._nodes[number] = self.chain.start_validator(self.world, number)
        self.observe(node)

    def _healer(self, node: Node) -> Callable[[], None]:
        def heal() -> None:
            if node.is_up and node.transport.wants_link:
                self.world.server.heal(node.transport)

        return heal
