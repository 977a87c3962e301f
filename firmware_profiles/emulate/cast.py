"""Who plays in a rehearsal: the MQTT server and its keeper, validators, processes of devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from broker.founding import ChainFiles
from edge_client.runtime.mqtt_options import ServerAddress
from firmware_profiles.emulate.children import ChildDiedError, Children
from firmware_profiles.emulate.plan import CLIENTS_MAX, Crew, Emulation
from firmware_profiles.emulate.setting import make_server
from firmware_profiles.emulate.steps import Steps
from firmware_profiles.emulate.validators import Order, keep_server, run_emulated_validator
from firmware_profiles.emulate.worker import run_worker

KEEPER = "mqtt"
KIB_PER_MIB = 1024


class Cast:
    """All processes of a plan; `hear` gets what each says, with its name. It is their `Breakable`, too."""

    def __init__(self, plan: Emulation, hear: Callable[[str, Any], None]) -> None:
        self._plan = plan
        self._children = Children(hear)
        self._servers: tuple[ServerAddress, ...] = plan.servers
        self._server_pid: int | None = None
        self._steps = Steps()

    @property
    def validators(self) -> range:
        """See `Breakable`: those that run here."""
        return range(self._plan.fleet.job.validators if self._plan.shard.number == 1 else 0)

    @property
    def owns_server(self) -> bool:
        """See `Breakable`: not one that others run."""
        return not self._plan.servers

    def start(self, files: ChainFiles) -> None:
        """The server first. Raises `ChildDiedError`, `MqttServerError`."""
        plan = self._plan
        if self.owns_server:
            server = make_server(plan.folder, files)
            self._servers = (server.address,)
            self._children.launch(KEEPER, keep_server, server)
            self.restore_server()
        for number in self.validators:
            self.start_validator(number)
        own = plan.shard.numbers(plan.fleet.devices)
        for number, first in enumerate(range(0, len(own), CLIENTS_MAX)):
            numbers = tuple(own[first : first + CLIENTS_MAX])
            crew = Crew(plan, files.chain_id, self._servers, numbers, f"devices-{number}")
            self._children.launch(crew.name, run_worker, crew)

    def listen(self) -> None:
        """Hear who has something to say, or wait a moment; then do what is due. Raises `ChildDiedError`."""
        self._children.listen()
        self._steps.run_due(self.now_ms())

    def now_ms(self) -> int:
        """See `Breakable`."""
        return self._plan.clock.now_ms()

    def later(self, delay_ms: int, step: Callable[[], None]) -> None:
        """See `Breakable`."""
        self._steps.add(self.now_ms() + delay_ms, step)

    def stop(self) -> None:
        """Devices first, then validators, the server last."""
        self._children.stop()

    def memory_mib(self) -> int:
        """Of all of them, the MQTT server included."""
        return self._children.memory_kib(self._server_pid) // KIB_PER_MIB

    # --- to break and to mend -----------------------------------------------------------------------------

    def lose_server(self) -> None:
        """See `Breakable`."""
        self._order(Order.KILL)
        self._server_pid = None

    def restore_server(self) -> None:
        """See `Breakable`."""
        self._server_pid = self._order(Order.START)

    def kill_validator(self, number: int) -> None:
        """See `Breakable`."""
        self._children.kill(_validator(number))

    def start_validator(self, number: int) -> None:
        """See `Breakable`."""
        arguments = self._plan, number, self._servers
        self._children.launch(_validator(number), run_emulated_validator, *arguments)

    def _order(self, order: Order) -> int:
        """The answer of the server's keeper."""
        answer = self._children.ask(KEEPER, order)
        if not isinstance(answer, int):
            raise ChildDiedError(KEEPER)
        return answer


def _validator(number: int) -> str:
    return f"validator-{number}"
