"""Faults at seeded random moments, and what must hold after each (the issue's list, word by word):

    no finalised block changes       `Witness`: every validator's blocks, looked at again after each fault
    all heads agree afterwards       of all devices and all validators, at one moment
    the killed device's finished     by its own disk, and by every validator's index of what its chain holds;
    update is included or refused    one that came too late is refused by the rules: its window is over
    training goes on                 a round closes that was open when the last process was up again

A moment is a function of (seed, number); real processes add their own timing, so the same seed meets the same
victims and delays, not the same microsecond.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge_client.core.events import Fate
from edge_client.runtime.mqtt_options import MqttLimits
from tests.e2e.running_fleet import DEVICES, VALIDATORS, RunningFleet

ROUND_MS = 1000
"""As long as a round of such a fleet: delays are drawn from it."""
DOWN_MS_MAX = 1000
STABLE_MS = MqttLimits().stable_ms
"""Clients wait ever longer for a server that goes away sooner than this, which is not what is tried here."""
DEVICE_MOMENTS = ("training", "uploading", "whenever")
TRAINING_MS, UPLOADING_MS = 120, 40
"""About as long as the fleet's devices train and send; a fault comes at a random moment of it."""


class DrillFailedError(AssertionError):
    """Something did not hold; the text says at which moment of which seed."""


class Witness:
    """Remembers every finalised block it has seen, and what each validator has shown."""

    def __init__(self, fleet: RunningFleet) -> None:
        self._fleet = fleet
        self._chain: dict[int, bytes] = {}
        self._shown: list[dict[int, bytes]] = [{} for _ in range(VALIDATORS)]

    def look(self) -> None:
        """No block is lost, changed, or another one than elsewhere; raises AssertionError."""
        for index in range(VALIDATORS):
            blocks = self._fleet.blocks(index)
            gone = self._shown[index].items() - blocks.items()
            assert not gone, f"validator {index} lost or changed blocks of heights {sorted(dict(gone))}"
            other = [height for height in blocks if self._chain.get(height, blocks[height]) != blocks[height]]
            assert not other, f"validator {index} finalised other blocks at heights {other}"
            self._shown[index] = blocks
            self._chain |= blocks


@dataclass(slots=True)
class Drill:
    """One fleet and the faults it has to go through."""

    fleet: RunningFleet
    witness: Witness
    seed: int
    fates: Counter[Fate] = field(default_factory=Counter)
    """What became of the updates that faults met on their way."""
    links_up_s: float = 0.0
    """When all links had come back after the last restart of the server, on the monotonic clock."""
    failed: bool = False
    """Something did not hold; the fleet is not to be used further."""

    @classmethod
    def on(cls, fleet: RunningFleet, seed: int) -> Drill:
        """A drill for a started fleet."""
        return cls(fleet, Witness(fleet), seed)

    def kill_validator(self, number: int) -> None:
        """kill -9 of one of four; every fourth time a round has to close without it."""
        with self._moment("kill -9 of a validator", number) as draw:
            index = draw.randrange(VALIDATORS)
            victim = self.fleet.validators[index]
            _nap(draw.randrange(ROUND_MS))
            victim.kill()
            if number % 4 == 1:
                self._wait_next_round_without(index)
            else:
                _nap(draw.randrange(DOWN_MS_MAX))
            victim.start()

    def kill_device(self, number: int) -> None:
        """kill -9 of a device while it trains, while it sends, or whenever."""
        with self._moment("kill -9 of a device", number) as draw:
            index = draw.randrange(DEVICES)
            victim = self.fleet.devices[index]
            self._await_device_moment(index, DEVICE_MOMENTS[number % len(DEVICE_MOMENTS)], draw)
            victim.kill()
            finished = self.fleet.pending(index)
            _nap(draw.randrange(DOWN_MS_MAX))
            victim.start()
            self._wait_settled({index: finished})

    def restart_server(self, number: int) -> None:
        """kill -9 of the MQTT server, which keeps nothing on disk; a new one listens on the same port."""
        with self._moment("restart of the MQTT server", number) as draw:
            _nap(max(0, STABLE_MS - round((time.monotonic() - self.links_up_s) * 1000)))
            _nap(draw.randrange(ROUND_MS))
            server = self.fleet.stage.server
            server.kill()
            finished = {index: self.fleet.pending(index) for index in range(DEVICES)}
            _nap(draw.randrange(DOWN_MS_MAX))
            server.start()
            self._wait_settled(finished)
        self.links_up_s = time.monotonic()

    @contextmanager
    def _moment(self, kind: str, number: int) -> Iterator[random.Random]:
        """A fault happens inside; afterwards everything must hold."""
        draw = random.Random(f"{self.seed} {kind} {number}")
        began_s = time.monotonic()
        try:
            self.witness.look()
            yield draw
            self.fleet.wait_next_round()
            self.witness.look()
        except Exception as error:
            self.failed = True
            after_s = time.monotonic() - began_s
            raise DrillFailedError(
                f"{kind}, seed {self.seed}, moment {number}, after {after_s:.1f} s: {error}"
            ) from error

    def _wait_next_round_without(self, index: int) -> None:
        others = [other for other in range(VALIDATORS) if other != index]
        open_now = max(self.fleet.round(other) for other in others)
        self.fleet.wait(
            lambda: all(self.fleet.round(other) > open_now for other in others),
            f"round {open_now} closes without validator {index}",
        )

    def _await_device_moment(self, index: int, moment: str, draw: random.Random) -> None:
        if moment == "training":
            log = self.fleet.devices[index].log_file
            heads = _count(log, " head ")
            self._wait_closely(lambda: _count(log, " head ") > heads)
            _nap(draw.randrange(TRAINING_MS))
        elif moment == "uploading":
            before = self.fleet.updates(index).keys()
            self._wait_closely(lambda: bool(self.fleet.pending(index) - before))
            _nap(draw.randrange(UPLOADING_MS))
        else:
            _nap(draw.randrange(ROUND_MS))

    def _wait_closely(self, holds: Callable[[], bool]) -> None:
        self.fleet.wait(holds, "the device's next round")

    def _wait_settled(self, finished: dict[int, set[bytes]]) -> None:
        """Every one of these updates is in a block of every validator, or refused with a reason."""
        for device, roots in finished.items():
            self.fleet.wait(
                lambda device=device, roots=roots: not roots & self.fleet.pending(device),  # type: ignore[misc]
                f"device {device} knows the fate of the updates it had finished",
            )
            for root in roots:
                self._check_fate(device, root)

    def _check_fate(self, device: int, root: bytes) -> None:
        settled = self.fleet.updates(device)[root]
        name = f"update {root.hex()[:8]} of device {device}"
        self.fates[settled.fate] += 1
        if settled.fate == Fate.INCLUDED:
            self.fleet.wait(lambda: None not in self._heights(root), f"all validators have {name}")
            assert len(self._heights(root)) == 1, f"{name} stands at heights {self._heights(root)}"
            return
        heights = self._heights(root)
        assert heights == {None}, f"{name} is {settled.fate.value}, but validators have it at {heights}"
        if settled.fate == Fate.EXPIRED:
            oldest = self.fleet.rounds() - self.fleet.stage.files.genesis.params.staleness_max
            assert settled.round < oldest, f"{name} of round {settled.round} expired too early"
        assert settled.reason, f"{name} is {settled.fate.value} without a reason"

    def _heights(self, update_root: bytes) -> set[int | None]:
        """Where the validators' chains hold an update; None for one that does not."""
        return {self.fleet.including_height(index, update_root) for index in range(VALIDATORS)}


FAULTS: dict[str, Callable[[Drill, int], None]] = {
    "validator": Drill.kill_validator,
    "device": Drill.kill_device,
    "server": Drill.restart_server,
}
"""In turn, so that links are stable again before the server goes away the next time."""


def _nap(milliseconds: int) -> None:
    """Until the drawn moment; nothing is concluded from its length."""
    time.sleep(milliseconds / 1000)


def _count(log: Path, word: str) -> int:
    return log.read_text(encoding="utf-8", errors="replace").count(word)
