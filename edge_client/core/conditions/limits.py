"""The owner's limits. The defaults are for a board that somebody also uses for something else."""

from __future__ import annotations

from dataclasses import dataclass

BATTERY_PCT_MIN = 30
"""No setting goes below: what Android's own federated client keeps."""
MINUTES_A_DAY = 24 * 60
PRESETS = {"any": "00:00-24:00", "night": "01:00-06:00"}
MEMORY_MB_MIN = 32
"""Less than the agent takes without training."""
ROUNDS_A_DAY_MAX = 10_000
OWNER_GATE = "owner"
POWER_GATE = "power"
GATES = (
    *(OWNER_GATE, "hours", "rounds", POWER_GATE, "temperature", "throttling"),
    *("link", "data", "cpu", "memory", "io", "disk"),
)
"""Names of the gates, in the order in which `why` shows them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Section `[limits]`. `require_mains` left out means: if a battery is seen; `memory_mb_max`: by what the
    board has (`own_bytes_max`). `rounds_a_day` at most, and in each part of a day its part of them. `ignore`
    names gates that are not asked, for boards that are there for nothing else."""

    enabled: bool = True
    hours: str = "any"
    rounds_a_day: int = 8
    session_min: int = 30
    require_mains: bool | None = None
    battery_start_pct: int = 60
    battery_stop_pct: int = 40
    temperature_c_max: int = 75
    metered: bool = False
    data_cap_mb: int = 500
    data_cap_metered_mb: int = 0
    cpu_pressure_pct_max: int = 60
    memory_pressure_pct_max: int = 20
    io_pressure_pct_max: int = 60
    memory_mb_max: int | None = None
    disk_mb_max: int = 500
    disk_free_pct_min: int = 10
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parse_hours(self.hours)
        for name, low, high in (
            ("rounds_a_day", 1, ROUNDS_A_DAY_MAX),
            ("session_min", 1, MINUTES_A_DAY),
            ("battery_stop_pct", BATTERY_PCT_MIN, 100),
            ("battery_start_pct", BATTERY_PCT_MIN, 100),
            ("temperature_c_max", 30, 110),
            ("data_cap_mb", 0, 1 << 30),
            ("data_cap_metered_mb", 0, 1 << 30),
            ("cpu_pressure_pct_max", 1, 100),
            ("memory_pressure_pct_max", 1, 100),
            ("io_pressure_pct_max", 1, 100),
            ("disk_mb_max", 1, 1 << 30),
            ("disk_free_pct_min", 0, 90),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be {low} to {high}, not {value}")
        if self.memory_mb_max is not None and not MEMORY_MB_MIN <= self.memory_mb_max <= 1 << 20:
            raise ValueError(f"memory_mb_max must be {MEMORY_MB_MIN} to {1 << 20}, not {self.memory_mb_max}")
        if self.battery_start_pct < self.battery_stop_pct:
            raise ValueError(
                f"battery_start_pct ({self.battery_start_pct}) must not be below battery_stop_pct"
                f" ({self.battery_stop_pct})"
            )
        strange = sorted(set(self.ignore) - set(GATES))
        if strange:
            raise ValueError(f"ignore names no gate '{strange[0]}'; gates: {', '.join(GATES)}")

    @property
    def window(self) -> tuple[int, int]:
        """Minutes of the local day from which and until which training is allowed."""
        return parse_hours(self.hours)


def parse_hours(text: str) -> tuple[int, int]:
    """First minute and the minute after the last of `HH:MM-HH:MM` (may go over midnight) or a preset; raises
    `ValueError`."""
    first, _, last = PRESETS.get(text, text).partition("-")
    start, end = _minute(first), _minute(last)
    if start is None or end is None or start in (end, MINUTES_A_DAY):
        raise ValueError(f"hours must be 'any', 'night' or like '22:00-06:30', not '{text}'")
    return start, end


def _minute(text: str) -> int | None:
    hour, colon, minute = text.partition(":")
    well_formed = colon and hour.isdecimal() and minute.isdecimal() and len(hour) <= 2 and len(minute) == 2
    if not well_formed or int(minute) > 59:
        return None
    found = 60 * int(hour) + int(minute)
    return found if found <= MINUTES_A_DAY else None
