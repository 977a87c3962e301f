"""What is known of a kind of board: `data/<board>.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, TypeAlias

from firmware_profiles.profiles.figure import Fact, Figure, Unit
from firmware_profiles.profiles.tables import Place, build

Watts: TypeAlias = Annotated[Figure, Unit.WATT]
Share: TypeAlias = Annotated[Figure, Unit.SHARE]
Celsius: TypeAlias = Annotated[Figure, Unit.CELSIUS]
Milliseconds: TypeAlias = Annotated[Figure, Unit.MILLISECOND]
Count: TypeAlias = Annotated[Figure, Unit.COUNT]
BASED_ON = "based_on"
_FIGURE_KEYS = frozenset({"provenance", "source"})


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor. `linpack` is of all cores in double precision, `zip_one` and `zip_all` are 7-zip's
    figures for one thread and for all."""

    model: Fact
    cores: Count
    clock: Annotated[Figure, Unit.GIGAHERTZ]
    linpack: Annotated[Figure, Unit.GIGAFLOPS] | None = None
    zip_one: Annotated[Figure, Unit.MIPS] | None = None
    zip_all: Annotated[Figure, Unit.MIPS] | None = None


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Wall time of one training step with one thread and nothing else running, batch 10, as `zoo` builds the
    model: `mlp` is dense 784-128-10, `cnn` McMahan's with 1,663,370 parameters, `head` dense 1280-10 on
    features that a frozen network has computed before."""

    mlp: Milliseconds
    cnn: Milliseconds
    head: Milliseconds


@dataclass(frozen=True, slots=True)
class Memory:
    """What the system has."""

    ram: Annotated[Figure, Unit.MEBIBYTE]


@dataclass(frozen=True, slots=True)
class Power:
    """Of the whole board, `load` with all cores busy. One busy core costs `one_core_share` of what lies
    between the two."""

    idle: Watts
    load: Watts
    one_core_share: Share

    @property
    def one_core_w(self) -> float:
        """Typical power with one busy core: the one-core rule."""
        return self.idle.typical + self.one_core_share.typical * (self.load.typical - self.idle.typical)


@dataclass(frozen=True, slots=True)
class Trip:
    """From `at` on the system slows down as far as it must to get no hotter, at most to `speed` of full."""

    at: Celsius
    speed: Share


@dataclass(frozen=True, slots=True)
class Thermal:
    """First order: the board tends to ambient + resistance · power, with one time constant. `trips` rise."""

    ambient: Celsius
    resistance: Annotated[Figure, Unit.KELVIN_PER_WATT]
    time_constant: Annotated[Figure, Unit.SECOND]
    trips: tuple[Trip, ...]

    def __post_init__(self) -> None:
        hotter = all(one.at.typical < after.at.typical for one, after in pairwise(self.trips))
        slower = all(one.speed.typical >= after.speed.typical for one, after in pairwise(self.trips))
        if not (hotter and slower):
            raise ValueError("trips must get hotter and slower from one to the next")
        if not self.time_constant.low:
            raise ValueError("time_constant must be above 0")


@dataclass(frozen=True, slots=True)
class Software:
    """What the agent finds on the board as it is usually set up."""

    os: Fact
    python: Fact


@dataclass(frozen=True, slots=True)
class Board:
    """One kind of board. `links` and `batteries` name what it can have, see `data/parts`."""

    title: str
    cpu: Cpu
    step: StepTimes
    memory: Memory
    power: Power
    thermal: Thermal
    software: Software
    links: tuple[str, ...]
    batteries: tuple[str, ...] = ()
    based_on: str = ""


def parse_board(table: Mapping[str, Any], file: str) -> Board:
    """A board from its file's top table; raises `ProfileError`."""
    return build(Board, table, Place(file))


def laid_over(base: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with all that `table` says; a figure is replaced as a whole, never mixed of two sources."""
    found = dict(base)
    for key, value in table.items():
        below = base.get(key)
        inner = isinstance(value, Mapping) and isinstance(below, Mapping) and not _FIGURE_KEYS & value.keys()
        found[key] = laid_over(below, value) if inner else value  # type: ignore[arg-type]
    return found
