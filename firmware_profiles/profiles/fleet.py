"""A fleet to rehearse: groups of boards, how they are fed and used, what goes wrong, and the job.

`data/fleets/*.toml`. What somebody chooses (how many, whose limits, which rounds) is a plain value; what is
claimed of the world (stays, weather, drop-out) is a figure with its source, as in the profiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from math import ceil
from typing import Annotated, Any, TypeAlias

from edge_client.core.conditions.limits import Limits, parse_hours
from edge_client.protocol.validators import ONE_VALIDATOR, VALIDATORS_MAX, VALIDATORS_MIN
from firmware_profiles.profiles.board import Celsius, Share, StepTimes, Watts
from firmware_profiles.profiles.figure import Figure, Unit
from firmware_profiles.profiles.tables import Place, ProfileError, build, meant

Hours: TypeAlias = Annotated[Figure, Unit.HOUR]
PerDay: TypeAlias = Annotated[Figure, Unit.PER_DAY]
DEVICES_MAX = 1_000_000
DAY_S = 86_400
PATTERNS = ("online", "plugged", "used")
"""Keys of a group that name a pattern."""
SCALE_MIN, SCALE_MAX = 0.1, 10.0
SELECTED_MAX = (1 << 16) - 1
SEED_MAX = (1 << 63) - 1
YEAR_DAYS = 365
JOB_LIMITS: tuple[tuple[str, float, float], ...] = (
    ("rounds_a_day", 1, 1440),
    ("k", 1, 1024),
    ("min_updates", 1, 1024),
    ("epochs", 1, 255),
    ("sample_cap", 1, (1 << 32) - 1),
    ("learning_rate", 1e-6, 4095),
    ("clip_norm", 1e-6, 4095),
    ("records_wait_s", 0, (1 << 16) - 1),
)
"""Least and most of the keys of `[job]`: what round parameters can hold."""


class StepModel(Enum):
    """Whose step times the work takes: the keys of `[step]` in a board's profile."""

    MLP = "mlp"
    CNN = "cnn"
    HEAD = "head"


class Feed(Enum):
    """What a board lives of."""

    MAINS = "mains"
    SOLAR = "solar"


@dataclass(frozen=True, slots=True)
class Job:
    """The rules of the rehearsed chain, as `edge-broker init` takes them, and whose steps are taken.
    `selected` 0: all devices are asked in every round. Every block is for every device to verify, and a fleet
    joins within an hour: its registrations wait for each other longer than a chain's usually do."""

    model: StepModel
    rounds_a_day: int
    k: int
    min_updates: int
    selected: int = 0
    epochs: int = 2
    sample_cap: int = 4096
    learning_rate: float = 0.2
    clip_norm: float = 10.0
    records_wait_s: int = 600
    validators: int = 4

    def __post_init__(self) -> None:
        for name, least, most in JOB_LIMITS:
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be {least:.10g} to {most:.10g}")
        if self.min_updates > self.k:
            raise ValueError(f"min_updates must not be above k, {self.k}: so many close a round")
        if not 0 <= self.selected <= SELECTED_MAX:
            raise ValueError(f"selected must be 1 to {SELECTED_MAX}, or left out for all devices")
        if self.selected and self.min_updates > self.selected:
            raise ValueError(f"min_updates must not be above selected, {self.selected}: no more are asked")
        if self.validators != ONE_VALIDATOR and not VALIDATORS_MIN <= self.validators <= VALIDATORS_MAX:
            raise ValueError(f"validators must be 1, for a trial, or {VALIDATORS_MIN} to {VALIDATORS_MAX}")

    @property
    def round_s(self) -> int:
        """Length of a round."""
        return DAY_S // self.rounds_a_day

    def rules(self) -> dict[str, Any]:
        """For `broker.founding_folder.make_params`, without those of elections."""
        names = (
            *("k", "min_updates", "selected", "epochs", "sample_cap"),
            *("learning_rate", "clip_norm", "records_wait_s"),
        )
        return {**{name: getattr(self, name) for name in names}, "round_s": self.round_s}

    def step_ms(self, step: StepTimes) -> float:
        """What one step takes on a board, typically."""
        figure: Figure = getattr(step, self.model.value)
        return figure.typical


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A pattern of two states: mean stays on and off, by day and by night."""

    on_day: Hours
    off_day: Hours
    on_night: Hours
    off_night: Hours
    night: str = "22:00-06:00"

    def __post_init__(self) -> None:
        parse_hours(self.night)
        for name in ("on_day", "off_day", "on_night", "off_night"):
            if not getattr(self, name).low:
                raise ValueError(f"{name} must be above 0")


@dataclass(frozen=True, slots=True)
class Sites:
    """Devices that share a place: its outages take mains and link from all of them at once."""

    devices_each: int
    outage_every: Hours
    outage_lasts: Hours

    def __post_init__(self) -> None:
        if self.devices_each < 1:
            raise ValueError("devices_each must be 1 or more")
        for name in ("outage_every", "outage_lasts"):
            if not getattr(self, name).low:
                raise ValueError(f"{name} must be above 0")


@dataclass(frozen=True, slots=True)
class Weather:
    """The sun over all sites: latitude, first day (1 to 365), what of a panel's peak arrives with the sun
    overhead on clear and on cloudy days, and the chance of clouds after each."""

    latitude: Annotated[Figure, Unit.DEGREE]
    first_day: int
    clear_light: Share
    cloudy_light: Share
    cloudy_after_clear: Share
    cloudy_after_cloudy: Share

    def __post_init__(self) -> None:
        if not 1 <= self.first_day <= YEAR_DAYS:
            raise ValueError(f"first_day must be 1 to {YEAR_DAYS}, a day of the year")


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong. `dropout`: of the devices that begin a round, those that vanish in it for a reason
    that no gate sees. `crashes_a_day`: of one device's process, and of one validator's. `byzantine`: of the
    devices, those that lie."""

    dropout: Share
    crashes_a_day: PerDay
    validator_crashes_a_day: PerDay
    message_loss: Share
    mqtt_outages_a_day: PerDay
    mqtt_outage_lasts: Annotated[Figure, Unit.SECOND]
    byzantine: Share


@dataclass(frozen=True, slots=True)
class Group:
    """Devices of one kind. Either `count` of them, or a `share` of those that the counts leave over. The
    patterns are names of `[patterns]`: `online` (left out: always), `plugged` (mains; left out: always, but
    for outages of the site), `used` by the owner (left out: never). `charge` is that of the battery at the
    start; each device draws its own from the range, and its samples from `samples`; `labels` is how many
    classes it has."""

    name: str
    board: str
    link: str
    feed: Feed = Feed.MAINS
    count: int = 0
    share: float = 0.0
    battery: str = ""
    charge: Share | None = None
    panel: Watts | None = None
    online: str = ""
    plugged: str = ""
    used: str = ""
    ambient: Celsius | None = None
    samples: tuple[int, ...] = (100, 100)
    labels: int = 2
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if (self.count > 0) == (self.share > 0) or self.count < 0 or self.share < 0:
            raise ValueError("count or share must say how many; give one of them, above 0")
        if (self.feed is Feed.SOLAR) != (self.panel is not None):
            raise ValueError('panel is for feed = "solar", which needs one')
        if (self.feed is Feed.SOLAR and not self.battery) or (self.charge is not None) != bool(self.battery):
            raise ValueError("charge and battery go together, and a panel needs them")
        if len(self.samples) != 2 or not 1 <= self.samples[0] <= self.samples[1]:
            raise ValueError("samples must be the least and the most of a device, as in [100, 400]")
        if self.labels < 1:
            raise ValueError("labels must be 1 or more")


@dataclass(frozen=True, slots=True)
class Scale:
    """Factors on what nobody knows well: battery capacity, sun, drop-out and rate of links."""

    battery: float = 1.0
    solar: float = 1.0
    dropout: float = 1.0
    rate: float = 1.0

    def __post_init__(self) -> None:
        for name in ("battery", "solar", "dropout", "rate"):
            if not SCALE_MIN <= getattr(self, name) <= SCALE_MAX:
                raise ValueError(f"{name} must be {SCALE_MIN:g} to {SCALE_MAX:g}")


@dataclass(frozen=True, slots=True)
class Fleet:
    """All of a fleet file."""

    title: str
    seed: int
    devices: int
    job: Job
    faults: Faults
    groups: tuple[Group, ...]
    patterns: dict[str, Rhythm] = field(default_factory=dict)
    sites: Sites | None = None
    weather: Weather | None = None
    scale: Scale = field(default_factory=Scale)

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise ValueError("title must be words")
        if abs(self.seed) > SEED_MAX:
            raise ValueError(f"seed must be -{SEED_MAX} to {SEED_MAX}")
        if not self.groups:
            raise ValueError("groups must name at least one group")
        if not 1 <= self.devices <= DEVICES_MAX:
            raise ValueError(f"devices must be 1 to {DEVICES_MAX}")
        counted, has_shares = sum(one.count for one in self.groups), any(one.share for one in self.groups)
        if counted > self.devices or (not has_shares and counted != self.devices):
            raise ValueError(f"devices must be what the groups add up to, {counted}, not {self.devices}")
        if any(one.feed is Feed.SOLAR for one in self.groups) and self.weather is None:
            raise ValueError("weather must be said for a group that lives of the sun")

    @property
    def dropout(self) -> float:
        """Share of the devices that vanish in a round, scaled."""
        return min(1.0, self.faults.dropout.typical * self.scale.dropout)

    def scaled(self, **factors: float) -> Fleet:
        """The same with other factors, as in `scaled(battery=1.3)`; raises `ValueError`, `TypeError`."""
        return replace(self, scale=replace(self.scale, **factors))

    def resized(self, devices: int) -> Fleet:
        """The same mix with so many devices; counts become shares, and rounds of a smaller fleet wait for
        fewer updates. Raises `ValueError`."""
        needed = ceil(self.job.min_updates * min(1.0, devices / self.devices))
        job = replace(self.job, min_updates=needed)
        sizes = self.sizes()
        groups = tuple(
            replace(group, count=0, share=size / self.devices)
            for group, size in zip(self.groups, sizes, strict=True)
            if size
        )
        return replace(self, devices=devices, groups=groups, job=job)

    def sizes(self) -> tuple[int, ...]:
        """Devices of each group: counts, and the rest by shares, largest remainders first."""
        rest = self.devices - sum(group.count for group in self.groups)
        shares = sum(group.share for group in self.groups) or 1.0
        exact = [group.share / shares * rest for group in self.groups]
        whole = [int(one) for one in exact]
        lacking = (rest - sum(whole)) if any(group.share for group in self.groups) else 0
        order = sorted(range(len(exact)), key=lambda one: (whole[one] - exact[one], one))
        for one in order[:lacking]:
            whole[one] += 1
        return tuple(group.count + size for group, size in zip(self.groups, whole, strict=True))


def parse_fleet(table: Mapping[str, Any], file: str, known: Mapping[str, Mapping[str, Any]]) -> Fleet:
    """A fleet from its file's top table; `known` holds what there is under `board`, `link` and `battery`.
    Raises `ProfileError`."""
    fleet = build(Fleet, table, Place(file))
    names = {**known, **dict.fromkeys(PATTERNS, fleet.patterns)}
    for number, group in enumerate(fleet.groups, 1):
        for key, there in names.items():
            name = getattr(group, key)
            if name and name not in there:
                raise Place(file, f"groups.{number}").error(key, f"'{name}' is not known{meant(name, there)}")
    twice = {group.name for group in fleet.groups if [one.name for one in fleet.groups].count(group.name) > 1}
    if twice:
        raise ProfileError(f"{file}, key 'groups': two groups are called {', '.join(sorted(twice))}")
    return fleet
