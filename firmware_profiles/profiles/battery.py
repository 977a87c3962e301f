"""What is known of a battery that can feed a board: `data/parts/batteries.toml`, one table each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from firmware_profiles.profiles.figure import Curve, Figure, Unit


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery with its converter. `usable_share` of the `capacity` reaches the board; of what goes into
    charging, `charge_share` is stored, at most `charge_power` at a time. `curve` is the voltage of one cell
    over the share of charge, by which a gauge without a coulomb counter reads it."""

    title: str
    capacity: Annotated[Figure, Unit.WATT_HOUR]
    usable_share: Annotated[Figure, Unit.SHARE]
    charge_power: Annotated[Figure, Unit.WATT]
    charge_share: Annotated[Figure, Unit.SHARE]
    curve: Annotated[Curve, Unit.VOLT]

    def __post_init__(self) -> None:
        for name in ("capacity", "usable_share", "charge_power", "charge_share"):
            if not getattr(self, name).low:
                raise ValueError(f"{name} must be above 0")
        volts = [volt for _, volt in self.curve.points]
        if any(low > high for low, high in pairwise(volts)):
            raise ValueError("curve must not fall while the charge rises")

    @property
    def usable_wh(self) -> float:
        """What a full battery gives the board, typically."""
        return self.capacity.typical * self.usable_share.typical
