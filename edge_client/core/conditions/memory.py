"""The agent's own memory while it trains: how much it may take, and what to do when that is passed.

The batch is fixed by the chain (it is compiled into the training graph), so what a board can choose to make
smaller is how many samples it holds; the gradient of a batch stays what it is. When that does not help, the
round is given up before the kernel ends the process.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.core.conditions.readings import NOT_READ, Reading, Unknown, known

MB = 1_000_000
OWN_SHARE = 0.4
OWN_BYTES_MAX = 512 * MB
SMALL_BOARD_BYTES = 600 * MB
"""Boards with less, such as the Zero 2 W with 512 MiB, keep more for their other programs:"""
SMALL_BOARD_OWN_BYTES = 150 * MB
SPARE_BYTES_MIN = 24 * MB
"""What must stay free on the board and below the limit of the service; one large array takes as much."""


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """In bytes: what this process holds, what the board has and can still give, and what is left below the
    limit of the service's control group (unknown without one)."""

    own: Reading[int] = NOT_READ
    total: Reading[int] = NOT_READ
    available: Reading[int] = NOT_READ
    group_left: Reading[int] = NOT_READ


@dataclass(frozen=True, slots=True)
class Held:
    """Samples in memory, what each takes, and the fewest that are worth training on: a batch."""

    samples: int
    sample_bytes: int
    batch: int


@dataclass(frozen=True, slots=True)
class Short:
    """Memory is short: why, and the most samples to go on with; None when the round must be given up."""

    why: str
    samples_max: int | None


@dataclass(frozen=True, slots=True)
class Kills:
    """Which boot of the system it is, and how many processes it has killed for memory since."""

    boot: Reading[str]
    count: Reading[int]


def own_bytes_max(owner_mb: int | None, total: Reading[int]) -> int:
    """The owner's limit; without one 40 % of the board's memory, 512 MB or on small boards 150 MB at most."""
    if owner_mb is not None:
        return owner_mb * MB
    if isinstance(total, Unknown):
        return SMALL_BOARD_OWN_BYTES
    most = SMALL_BOARD_OWN_BYTES if total < SMALL_BOARD_BYTES else OWN_BYTES_MAX
    return min(most, int(OWN_SHARE * total))


def shortage(reading: MemoryReading, own_max: int, held: Held) -> Short | None:
    """What to do; None while there is enough. An unknown reading says nothing."""
    own, available, left = known(reading.own), known(reading.available), known(reading.group_left)
    passed = [
        (0 if own is None else own - own_max, f"the agent takes {_mb(own)}, at most {_mb(own_max)}"),
        (_lacking(available), f"the board has {_mb(available)} left, at least {_mb(SPARE_BYTES_MIN)}"),
        (_lacking(left), f"the service has {_mb(left)} left, at least {_mb(SPARE_BYTES_MIN)}"),
    ]
    excess, why = max(passed)
    if excess <= 0:
        return None
    fewer = min(held.samples // 2, held.samples - -(-excess // max(1, held.sample_bytes)))
    return Short(f"memory: {why}", fewer if fewer >= held.batch else None)


def _lacking(spare: int | None) -> int:
    return 0 if spare is None else SPARE_BYTES_MIN - spare


def _mb(amount: int | None) -> str:
    return "-" if amount is None else f"{amount / MB:.0f} MB"


def why_it_ended(before: Kills, now: Kills) -> tuple[str, bool]:
    """Why a process that was training ended without a word, and whether that may happen again when the same
    work is tried again."""
    if isinstance(before.boot, str) and isinstance(now.boot, str) and before.boot != now.boot:
        return "the board went down", False
    if isinstance(before.count, Unknown) or isinstance(now.count, Unknown):
        return "maybe killed for memory, the kernel does not say", True
    if now.count > before.count:
        return "most likely killed for memory: the kernel did so to a process since", True
    return "killed, but not for memory", False
