"""What a board reads of itself. A reading that failed is a value with its reason, never a guess.

Each gate says what an unknown reading means for it; the table is in docs/OPERATIONS.md, "Why does my board
not train".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from edge_client.core.conditions.prediction import Calibration

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say; `reason` is shown to the owner."""

    reason: str


Reading: TypeAlias = T | Unknown

NOT_READ = Unknown("nothing reads it on this board")
NEVER = (1 << 63) - 1
"""A time in milliseconds that does not come."""


def known(reading: Reading[T]) -> T | None:
    """The value, or None for an unknown one."""
    return None if isinstance(reading, Unknown) else reading


@dataclass(frozen=True, slots=True)
class Conditions:
    """One look at the board. Shares are in percent (0 to 100), bytes count both directions.

    `has_battery` is True when a battery that feeds the board is seen; `mains` is whether it is being fed from
    outside. `cpu_pressure_pct`, `memory_pressure_pct` and `io_pressure_pct` are the shares of the last ten
    seconds in which some program had to wait. `trip_c` is the lowest temperature at which the system itself
    slows down; `throttled_bits` are those of the Raspberry Pi firmware. `local_minute` counts from local
    midnight. `paused_until_ms` is the owner's word (0: not paused, `NEVER`: until he says so), `calibration`
    what `calibrate` measured last.
    """

    has_battery: bool = False
    mains: Reading[bool] = NOT_READ
    battery_pct: Reading[float] = NOT_READ
    battery_wh: Reading[float] = NOT_READ
    power_w: Reading[float] = NOT_READ
    temperature_c: Reading[float] = NOT_READ
    trip_c: Reading[float] = NOT_READ
    throttled_bits: Reading[int] = NOT_READ
    cpu_pressure_pct: Reading[float] = NOT_READ
    memory_pressure_pct: Reading[float] = NOT_READ
    memory_free_pct: Reading[float] = NOT_READ
    io_pressure_pct: Reading[float] = NOT_READ
    link: Reading[str] = NOT_READ
    rssi_dbm: Reading[float] = NOT_READ
    metered: Reading[bool] = NOT_READ
    month_bytes: Reading[int] = NOT_READ
    month_ends_ms: int = NEVER
    disk_free_pct: Reading[float] = NOT_READ
    disk_used_bytes: Reading[int] = NOT_READ
    time_synced: Reading[bool] = NOT_READ
    local_minute: Reading[int] = NOT_READ
    paused_until_ms: int = 0
    calibration: Calibration | None = None
