"""What is known of a kind of link: `data/parts/links.toml`, one table each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, TypeAlias

from firmware_profiles.profiles.figure import Figure, Unit

Rate: TypeAlias = Annotated[Figure, Unit.MEGABIT_PER_SECOND]
Energy: TypeAlias = Annotated[Figure, Unit.JOULE_PER_MEGABYTE]
Seconds: TypeAlias = Annotated[Figure, Unit.SECOND]
Watts: TypeAlias = Annotated[Figure, Unit.WATT]


class LinkKind(Enum):
    """As the agent's readers name it."""

    ETHERNET = "ethernet"
    WIFI = "wifi"
    MODEM = "modem"


@dataclass(frozen=True, slots=True)
class Link:
    """A way to the MQTT server. `standby` is what it costs while it carries nothing. A transfer begins with a
    `promotion` of the radio and leaves a `tail`, in which the radio stays up in case there is more."""

    title: str
    kind: LinkKind
    metered: bool
    rate_down: Rate
    rate_up: Rate
    rtt: Annotated[Figure, Unit.MILLISECOND]
    loss: Annotated[Figure, Unit.SHARE]
    energy_down: Energy
    energy_up: Energy
    standby_power: Watts
    promotion_time: Seconds
    promotion_power: Watts
    tail_time: Seconds
    tail_power: Watts

    def __post_init__(self) -> None:
        for name in ("rate_down", "rate_up"):
            if not getattr(self, name).low:
                raise ValueError(f"{name} must be above 0")
        if self.loss.high >= 1:
            raise ValueError("loss must be below 1")
