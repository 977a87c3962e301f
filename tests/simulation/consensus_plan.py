"""What goes wrong in one simulated run: everything drawn from its seed, so that the seed is the run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random

from broker.core.consensus.events import Timing

CHAOS_MS = 30_000
SIZES = (1, 2, 4, 4, 4, 4, 4, 4, 4, 4, 5, 6, 7, 7, 10)
REAL_KEYS_PER_MILLE = 80
TIMING = Timing(slot_timeout_ms=1_000, slot_timeout_max_ms=8_000)


class Style(Enum):
    """How a Byzantine validator behaves."""

    EQUIVOCATOR = "signs every conflicting vote and two blocks, each for some"
    CONFLICTER = "votes for blocks that nobody proposed"
    NULLER = "nullifies every slot at once and finalises what it nullified"
    WITHHOLDER = "proposes blocks whose bodies few or none get, some of them invalid"
    OUTDATED = "repeats old messages and snapshots"
    TWINS = "runs twice with one key"
    LINGERER = "goes on signing in epochs that have ended"
    SILENT = "is never there"


class Trouble(Enum):
    """One fault with a beginning and an end."""

    PARTITION = "two groups do not hear each other"
    OUTAGE = "the MQTT server is away"
    WIPE = "the MQTT server is away and loses what it retained"
    CUT = "one validator is disconnected"
    CRASH = "one validator dies in the middle of its effects, disk and all that was not synced torn"
    CLOCK = "one validator's clock jumps"


@dataclass(frozen=True)
class Incident:
    """A trouble, when it starts, how long it lasts, and a number for whatever it must choose."""

    at_ms: int
    lasts_ms: int
    trouble: Trouble
    choice: int


@dataclass(frozen=True)
class Plan:
    """One run."""

    seed: int
    count: int
    real_keys: bool
    styles: dict[int, Style]
    drop: float
    repeat: float
    slow: float
    incidents: tuple[Incident, ...]
    round_gap_ms: int
    unseen: float
    untimely: float
    spare: int
    """People who have no seat at first."""
    epoch_blocks: int
    """Every so many heights a block ends the epoch and others get seats; 0: never."""

    @property
    def people(self) -> int:
        """Everybody who may have a seat some day."""
        return self.count + self.spare

    def seals(self, height: int) -> bool:
        """Whether the block of this height ends an epoch."""
        return bool(self.epoch_blocks) and height % self.epoch_blocks == 0

    @classmethod
    def draw(cls, seed: int) -> Plan:
        """The plan of a seed; one run in eight has a calm network and only incidents."""
        rng = Random(seed)
        count = rng.choice(SIZES)
        most = (count - 1) // 3
        faulty = rng.choice([0, most, most, rng.randint(0, most)])
        who = rng.sample(range(count), faulty)
        calm = rng.random() < 1 / 8
        return cls(
            seed=seed,
            count=count,
            real_keys=rng.randrange(1000) < REAL_KEYS_PER_MILLE,
            styles={one: rng.choice(list(Style)) for one in who},
            drop=0.0 if calm else rng.choice([0.0, 0.05, 0.2, 0.3, 0.4]),
            repeat=0.0 if calm else rng.choice([0.0, 0.1, 0.5]),
            slow=0.0 if calm else rng.choice([0.0, 0.1, 0.5]),
            incidents=tuple(_incident(rng) for _ in range(rng.randint(0, 14))),
            round_gap_ms=rng.choice([800, 2_000, 6_000]),
            unseen=rng.choice([0.0, 0.2, 0.6]),
            untimely=rng.choice([0.0, 0.0, 0.1]),
            spare=rng.choice([0, 0, 1, 2]),
            epoch_blocks=rng.choice([0, 1, 2, 3, 5]),
        )


def _incident(rng: Random) -> Incident:
    lasts_ms = rng.choice([50, 700, 3_000, 12_000])
    return Incident(rng.randrange(CHAOS_MS), lasts_ms, rng.choice(list(Trouble)), rng.randrange(1 << 30))
