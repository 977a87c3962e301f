"""What is emulated, where and how fast; and what its processes are told and tell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_client.core.bursts import Sleep
from edge_client.runtime.clock import ScaledClock
from edge_client.runtime.mqtt_options import ServerAddress
from firmware_profiles.fleet.founding import MIDNIGHT_MS, Founding
from firmware_profiles.profiles.fleet import Fleet
from firmware_profiles.profiles.parts import Parts
from firmware_profiles.report.tally import Tally

CLIENTS_MAX = 250
"""MQTT clients of one process, each with a thread and some files."""
PROCESSES_MAX = 8
DEVICES_MAX = CLIENTS_MAX * PROCESSES_MAX
SHARES_FILE, CHAIN_FOLDER, NEW_DEVICE_FOLDER = "shares.npz", "chain", "new-device"


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` (from 1) of `count`: hosts that share an MQTT server. The first has the validators."""

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"shard {self.number}/{self.count}: write the part and how many there are: 2/5")

    def numbers(self, devices: int) -> range:
        """The devices of this part: every `count`-th, so that each part has all kinds."""
        return range(self.number - 1, devices, self.count)


@dataclass(frozen=True, slots=True)
class Emulation:
    """All of one rehearsal. `servers`: MQTT servers that others run; without any, one is started here.
    `began_ms`: when the clocks of all parts start, in Unix milliseconds; None: when all is ready."""

    fleet: Fleet
    parts: Parts
    folder: Path
    seed: int
    speed: float
    rounds: int
    began_ms: int | None = None
    servers: tuple[ServerAddress, ...] = ()
    shard: Shard = Shard()
    sleep: Sleep = Sleep.AUTO

    @property
    def founding(self) -> Founding:
        """The chain and its devices."""
        return Founding(self.fleet, self.parts, self.seed, self.sleep)

    @property
    def clock(self) -> ScaledClock:
        """The same in all processes. Raises `ValueError` as long as nobody has said when it starts."""
        if self.began_ms is None:
            raise ValueError("the rehearsal has not begun")
        return ScaledClock(self.began_ms, MIDNIGHT_MS, self.speed)

    @property
    def span_ms(self) -> int:
        """How long it takes by its clock, if every round takes its whole time."""
        return self.fleet.job.round_s * 1000 * self.rounds


@dataclass(frozen=True, slots=True)
class Crew:
    """The work of one process of devices, with the address of the MQTT server that was found or started."""

    emulation: Emulation
    chain_id: bytes
    servers: tuple[ServerAddress, ...]
    numbers: tuple[int, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a process of devices says now and then: joules of training and radio so far, agents that run, the
    round of the newest head that one of them proved."""

    joules: float
    running: int
    round: int


@dataclass(frozen=True, slots=True)
class Counted:
    """The last words of a process of devices; `accounts`: their keys, by number; `dropped`: messages that
    found no room."""

    tally: Tally
    accounts: dict[int, bytes]
    dropped: int
