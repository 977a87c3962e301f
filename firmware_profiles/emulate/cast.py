"""Who plays in a rehearsal: the MQTT server and its keeper, validators, processes of devices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from broker.founding import ChainFiles
from edge_client.runtime.clock import SystemClock
from edge_client.runtime.mqtt_options import ServerAddress
from firmware_profiles.emulate.beginning import LEAD_WALL_MS, Begin, Ready
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
        self.plan = plan
        """With its beginning, once they are started."""
        self._tell = hear
        self.crews: list[str] = []
        """Names of the processes of devices."""
        self._unready: set[str] = set()
        self._children = Children(self._hear)
        self._servers: tuple[ServerAddress, ...] = plan.servers
        self._server_pid: int | None = None
        self._steps = Steps()

    @property
    def validators(self) -> range:
        """See `Breakable`: those that run here."""
        return range(self.plan.fleet.job.validators if self.plan.shard.number == 1 else 0)

    @property
    def owns_server(self) -> bool:
        """See `Breakable`: not one that others run."""
        return not self.plan.servers

    def start(self, files: ChainFiles) -> None:
        """The server first; then wait until all are ready, unless it is known when they begin. Raises
        `ChildDiedError`, `MqttServerError`."""
        plan = self.plan
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
            self._launch(crew.name, run_worker, crew)
            self.crews.append(crew.name)
        self._begin()

    def listen(self) -> None:
        """Hear who has something to say, or wait a moment; then do what is due. Raises `ChildDiedError`."""
        self._children.listen()
        self._steps.run_due(self.now_ms())

    def now_ms(self) -> int:
        """See `Breakable`."""
        return self.plan.clock.now_ms()

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
        self._launch(_validator(number), run_emulated_validator, self.plan, number, self._servers)

    # --- the beginning ------------------------------------------------------------------------------------

    def _launch(self, name: str, target: Callable[..., None], *arguments: Any) -> None:
        self._unready.add(name)
        self._children.launch(name, target, *arguments)

    def _hear(self, name: str, said: Any) -> None:
        if isinstance(said, Ready):
            self._unready.discard(name)
        else:
            self._tell(name, said)

    def _begin(self) -> None:
        if self.plan.began_ms is not None:
            return
        waiting = sorted(self._unready)
        while self._unready:
            self._children.listen()
        began_ms = SystemClock().now_ms() + LEAD_WALL_MS
        self.plan = replace(self.plan, began_ms=began_ms)
        self._children.tell_all(waiting, Begin(began_ms))

    def _order(self, order: Order) -> int:
        """The answer of the server's keeper."""
        answer = self._children.ask(KEEPER, order)
        if not isinstance(answer, int):
            raise ChildDiedError(KEEPER)
        return answer


def _validator(number: int) -> str:
    return f"validator-{number}"
