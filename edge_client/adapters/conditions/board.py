"""One look at the board: all readers together."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from edge_client.adapters.conditions.battery import (
    NONE_SEEN,
    PISUGAR_SOCKET,
    Supply,
    first_supply,
    read_pisugar,
    read_power_supply,
    read_psutil,
)
from edge_client.adapters.conditions.calibration_file import read_calibration
from edge_client.adapters.conditions.clock_sync import read_time_synced
from edge_client.adapters.conditions.disk_room import read_disk
from edge_client.adapters.conditions.heat import read_temperature, read_throttled
from edge_client.adapters.conditions.links import read_link
from edge_client.adapters.conditions.meters import read_meter
from edge_client.adapters.conditions.pause_file import PauseFile
from edge_client.adapters.conditions.pressure import read_pressure
from edge_client.adapters.conditions.system_bus import read_metered, read_upower
from edge_client.core.conditions.readings import Conditions, Reading, Unknown

SLOW_MS = 30_000
"""D-Bus, the socket of a battery board and the size of the folder are not asked more often."""


@dataclass(frozen=True, slots=True)
class Roots:
    """Where the system shows what it knows; other folders in tests."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")
    run: Path = Path("/run")
    pisugar: Path = PISUGAR_SOCKET
    others: tuple[Callable[[], Supply], ...] = (read_upower, read_psutil)
    metered: Callable[[], Reading[bool]] = read_metered


@dataclass(slots=True)
class _Slow:
    """What was asked for last, and when."""

    read_ms: int | None = None
    supply: Supply = NONE_SEEN
    metered: Reading[bool] = field(default_factory=lambda: Unknown("not asked yet"))
    disk: tuple[Reading[float], Reading[int]] = field(default_factory=lambda: (Unknown("-"), Unknown("-")))


class Board:
    """Reads everything but the bytes of the month; for one thread."""

    def __init__(self, folder: Path, roots: Roots | None = None) -> None:
        self._folder = folder
        self._roots = roots or Roots()
        self._pause = PauseFile(folder)
        self._slow = _Slow()

    def look(self, now_ms: int, month_bytes: Reading[int]) -> Conditions:
        """All readings now."""
        roots, slow = self._roots, self._ask_slowly(now_ms)
        supply = first_supply(
            (lambda: read_power_supply(roots.sys / "class/power_supply"), lambda: slow.supply)
        )
        meter = read_meter(roots.sys / "class/hwmon")
        heat_c, trip_c = read_temperature(roots.sys / "class/thermal")
        pressure = read_pressure(roots.proc, os.cpu_count() or 1)
        link = read_link(roots.proc / "net", roots.sys / "class/net")
        local = datetime.fromtimestamp(now_ms / 1000).astimezone()
        return Conditions(
            has_battery=supply.has_battery,
            mains=supply.mains,
            battery_pct=supply.battery_pct,
            battery_wh=supply.battery_wh,
            power_w=_power(meter, supply),
            temperature_c=heat_c,
            trip_c=trip_c,
            throttled_bits=read_throttled(roots.sys / "devices/platform"),
            cpu_pressure_pct=pressure.cpu_pct,
            memory_pressure_pct=pressure.memory_pct,
            memory_free_pct=pressure.memory_free_pct,
            io_pressure_pct=pressure.io_pct,
            link=link.kind,
            rssi_dbm=link.rssi_dbm,
            metered=link.metered if isinstance(slow.metered, Unknown) else slow.metered,
            month_bytes=month_bytes,
            month_ends_ms=_month_end_ms(local),
            disk_free_pct=slow.disk[0],
            disk_used_bytes=slow.disk[1],
            time_synced=read_time_synced(roots.run),
            local_minute=60 * local.hour + local.minute,
            paused_until_ms=self._pause.until_ms(),
            calibration=read_calibration(self._folder),
        )

    def _ask_slowly(self, now_ms: int) -> _Slow:
        slow, roots = self._slow, self._roots
        if slow.read_ms is None or now_ms - slow.read_ms >= SLOW_MS:
            slow.supply = first_supply((lambda: read_pisugar(roots.pisugar), *roots.others))
            slow.metered, slow.disk = roots.metered(), read_disk(self._folder)
            slow.read_ms = now_ms
        return slow


def _power(meter: Reading[float], supply: Supply) -> Reading[float]:
    """What the board takes; a battery tells it while nothing else feeds the board."""
    if isinstance(meter, Unknown) and supply.mains is False:
        return supply.power_w
    return meter


def month_of(now_ms: int) -> str:
    """The local month, like `2026-11`."""
    return datetime.fromtimestamp(now_ms / 1000).astimezone().strftime("%Y-%m")


def _month_end_ms(local: datetime) -> int:
    first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int((first + timedelta(days=32)).replace(day=1).timestamp() * 1000)
