"""A process of one validator that lives by the clock of the rehearsal, and one that keeps the MQTT server."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection
from pathlib import Path

from broker.config import MqttSection, ValidatorConfig, ValidatorSection
from broker.mqtt_server.process import MqttServerProcess
from broker.service import Watch, Witnessed, run_validator
from edge_client.runtime.mqtt_options import ServerAddress
from firmware_profiles.emulate.beginning import begun
from firmware_profiles.emulate.child_log import logged_to
from firmware_profiles.emulate.pace import consensus_timing, status_interval_ms
from firmware_profiles.emulate.plan import CHAIN_FOLDER, Emulation
from firmware_profiles.emulate.worker import stop_with


@dataclass(frozen=True, slots=True)
class Heard:
    """What a validator did, and when by the clock of the rehearsal."""

    effect: Witnessed
    now_ms: int


def run_emulated_validator(
    plan: Emulation, number: int, servers: tuple[ServerAddress, ...], parent: Connection
) -> None:
    """Run until the parent says so, or is gone; every final block and note goes to the parent."""
    plan = begun(plan, parent)
    folder = validator_folder(plan.folder, number)
    config = ValidatorConfig(
        ValidatorSection(folder / "validator.key", plan.folder / CHAIN_FOLDER, folder / "state"),
        MqttSection(tuple(str(one) for one in servers)),
    )
    lock = threading.Lock()

    def tell(effect: Witnessed, now_ms: int) -> None:
        with lock, suppress(OSError):
            parent.send(Heard(effect, now_ms))

    watch = Watch(
        tell,
        plan.clock,
        consensus_timing(plan.speed),
        lambda stop: stop_with(parent, stop),
        status_interval_ms(plan.speed),
    )
    with logged_to(plan.folder / f"validator-{number}.log", logging.INFO):
        run_validator(config, watch)


def validator_folder(folder: Path, number: int) -> Path:
    """Key and state of a validator."""
    return folder / f"validator-{number}"


class Order(Enum):
    """What the keeper of the MQTT server is told; anything else ends it."""

    START = "start"
    KILL = "kill"


def keep_server(server: MqttServerProcess, parent: Connection) -> None:
    """Start and kill the MQTT server as told; answer each order with its process, 0 without one. The server
    does not outlive the parent."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    orders: dict[Order, Callable[[], None]] = {Order.START: server.start, Order.KILL: server.kill}
    try:
        with suppress(EOFError, OSError):
            while (order := orders.get(parent.recv())) is not None:
                order()
                parent.send(server.pid or 0)
    finally:
        server.stop()
