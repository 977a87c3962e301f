"""Perturbations of a real fleet on Mosquitto: kill -9 of each kind, pause, disconnect, the server wiped.

Four validators and four devices (one more than the issue asks for) with a proxy before the server, through
which all connections can be cut at once. What must hold after each is what `tests/e2e/fault_drills.py` asks:
a round closes, all heads agree, no block changes, every finished update is in the chain or refused.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from benchmarks.figures import Value
from broker.founding_folder import access_list
from broker.mqtt_server.choose import local_server
from broker.mqtt_server.mosquitto import find_binary
from broker.mqtt_server.process import LOOPBACK, free_port
from edge_client.core.events import Fate
from firmware_profiles.demo.heads import Heads
from firmware_profiles.demo.processes import Child
from tests.e2e.fault_drills import ROUND_MS, Drill, Witness
from tests.e2e.running_fleet import DEVICES, VALIDATORS, RunningFleet
from tests.fault_proxy import FaultProxy

PAUSE_MS_MAX = 2000


class ProxiedFleet(RunningFleet):
    """The same fleet, but between everybody and the MQTT server stands a proxy."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder, seed, "mosquitto")
        stage = self.stage
        asked_port, real_port = stage.server.address.port, free_port()
        server = local_server("mosquitto", folder, access_list(stage.files), real_port)
        self.stage = replace(stage, server=server)
        self.proxy = FaultProxy((LOOPBACK, real_port), asked_port)

    def start(self) -> None:
        """The proxy first."""
        self.proxy.start()
        super().start()

    def stop(self) -> None:
        """The proxy last."""
        super().stop()
        self.proxy.stop()


@dataclass(slots=True)
class Perturbations(Drill):
    """What is done to the fleet, beside the kills of `Drill`."""

    def pause_validator(self, number: int) -> None:
        """SIGSTOP, then SIGCONT."""
        with self._moment("pause of a validator", number) as draw:
            self._pause(self.fleet.validators[draw.randrange(VALIDATORS)], draw)

    def pause_device(self, number: int) -> None:
        """SIGSTOP, then SIGCONT."""
        with self._moment("pause of a device", number) as draw:
            self._pause(self.fleet.devices[draw.randrange(DEVICES)], draw)

    def pause_server(self, number: int) -> None:
        """The MQTT server stands still; nobody is disconnected."""
        with self._moment("pause of the MQTT server", number) as draw:
            _nap(draw.randrange(ROUND_MS))
            pid = self.fleet.stage.server.pid
            assert pid is not None, "the MQTT server runs between perturbations"
            os.kill(pid, signal.SIGSTOP)
            _nap(draw.randrange(PAUSE_MS_MAX))
            os.kill(pid, signal.SIGCONT)

    def disconnect(self, number: int) -> None:
        """All connections break at once; the server stays."""
        with self._moment("disconnection of everybody", number) as draw:
            _nap(draw.randrange(ROUND_MS))
            assert isinstance(self.fleet, ProxiedFleet)
            self.fleet.proxy.cut()

    def settle(self, finished: Mapping[int, set[bytes]]) -> None:
        """What was finished before is in a block or refused; raises what `Drill` raises."""
        self._wait_settled(dict(finished))

    def _pause(self, victim: Child, draw: Random) -> None:
        _nap(draw.randrange(ROUND_MS))
        victim.signal(signal.SIGSTOP)
        _nap(draw.randrange(PAUSE_MS_MAX))
        victim.signal(signal.SIGCONT)


KINDS: tuple[Callable[[Perturbations, int], None], ...] = (
    Perturbations.kill_validator,
    Perturbations.restart_server,
    Perturbations.pause_device,
    Perturbations.kill_device,
    Perturbations.disconnect,
    Perturbations.pause_validator,
    Perturbations.pause_server,
)


@dataclass
class Outcome:
    """What all perturbations together did."""

    passed: int = 0
    lost: int = 0
    diverged: int = 0


def perturbations(count: int, seed: int) -> dict[str, Value]:
    """Every kind in turn, `count` in all; a fleet that was harmed is replaced by a new one."""
    if find_binary() is None:
        print("  mosquitto is not installed: not tried", flush=True)
        return {}
    began_s, outcome = time.monotonic(), Outcome()
    with TemporaryDirectory(prefix="perturbations-") as folder, ExitStack() as running:
        drill: Perturbations | None = None
        for number in range(count):
            if drill is None or drill.failed:
                running.close()
                fleet = running.enter_context(_fleet(Path(folder) / f"fleet-{number}", seed))
                drill = Perturbations(fleet, Witness(fleet), seed)
            _perturb(drill, number, outcome)
            done = f"  {number + 1} perturbations, {time.monotonic() - began_s:.0f} s"
            print(done, end="\r", file=sys.stderr, flush=True)
    return {
        "perturbations on real Mosquitto": outcome.passed,
        "perturbations on real Mosquitto: time": time.monotonic() - began_s,
        "perturbations on real Mosquitto: lost": outcome.lost,
        "perturbations on real Mosquitto: diverged": outcome.diverged,
    }


@contextmanager
def _fleet(folder: Path, seed: int) -> Iterator[ProxiedFleet]:
    fleet = ProxiedFleet(folder, seed)
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.stop()


def _perturb(drill: Perturbations, number: int, outcome: Outcome) -> None:
    """One perturbation, and what came of it, whether or not everything held."""
    fleet = drill.fleet
    finished = {device: fleet.pending(device) for device in range(DEVICES)}
    try:
        KINDS[number % len(KINDS)](drill, number)
        drill.settle(finished)
    except AssertionError as error:
        drill.failed = True
        print(f"  {error}", flush=True)
    else:
        outcome.passed += 1
    outcome.lost += sum(_lost(fleet, device, root) for device, roots in finished.items() for root in roots)
    outcome.diverged += _diverged(fleet)


def _lost(fleet: RunningFleet, device: int, root: bytes) -> bool:
    """Whether an update is neither refused nor in the chain of every validator."""
    update = fleet.updates(device).get(root)
    if update is None or update.fate == Fate.PENDING:
        return True
    validators = range(VALIDATORS)
    return update.fate == Fate.INCLUDED and any(fleet.including_height(i, root) is None for i in validators)


def _diverged(fleet: RunningFleet) -> int:
    """How many processes have another block at some height than most validators."""
    chains = [fleet.blocks(index) for index in range(VALIDATORS)]
    heights = {height for chain in chains for height in chain}
    usual = {
        height: Counter(chain[height] for chain in chains if height in chain).most_common(1)[0][0]
        for height in heights
    }
    with closing(Heads(fleet.stage)) as heads:
        devices = heads.read()[:DEVICES]
    wrong_devices = sum(usual.get(height, found) != found for height, found in devices)
    return wrong_devices + sum(any(usual[at] != found for at, found in chain.items()) for chain in chains)


def _nap(milliseconds: int) -> None:
    time.sleep(milliseconds / 1000)
