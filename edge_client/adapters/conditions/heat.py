"""Temperature with the system's own trip points, and the throttling bits of the Raspberry Pi firmware."""

from __future__ import annotations

from pathlib import Path

from edge_client.adapters.conditions.sysfs import read_number, read_text, subfolders
from edge_client.core.conditions.readings import Reading, Unknown

MILLI = 1000
LEFT_OUT = ("PMIC",)
"""On Jetson boards it always says 50 or 100 °C."""
LOWEST_C, HIGHEST_C = -40, 150
"""What is outside is no temperature: some zones say -256 while their part is switched off."""
THROTTLED_FILES = ("soc:firmware/get_throttled", "soc@*/*firmware*/get_throttled", "*firmware*/get_throttled")


def read_temperature(root: Path) -> tuple[Reading[float], Reading[float]]:
    """The hottest zone below `/sys/class/thermal`, and the lowest passive trip point of any."""
    zones = [zone for zone in subfolders(root, "thermal_zone*") if _counts(zone)]
    found = [read_number(zone / "temp", MILLI) for zone in zones]
    heats = [one for one in found if not isinstance(one, Unknown) and LOWEST_C < one < HIGHEST_C]
    if not heats:
        why = next((one for one in found if isinstance(one, Unknown)), None)
        return why or Unknown(f"no thermal zone in {root}"), Unknown("no thermal zone")
    trips = [trip for zone in zones for trip in _passive_trips(zone)]
    return max(heats), min(trips) if trips else Unknown("no passive trip point")


def _counts(zone: Path) -> bool:
    kind = read_text(zone / "type")
    return isinstance(kind, Unknown) or not kind.startswith(LEFT_OUT)


def _passive_trips(zone: Path) -> list[float]:
    kinds = [path for path in subfolders(zone, "trip_point_*_type") if read_text(path) == "passive"]
    found = [read_number(path.with_name(path.name.replace("_type", "_temp")), MILLI) for path in kinds]
    return [trip for trip in found if not isinstance(trip, Unknown) and trip > 0]


def read_throttled(root: Path) -> Reading[int]:
    """The bits, from below `/sys/devices/platform/soc` or its parent."""
    for pattern in THROTTLED_FILES:
        for path in (*subfolders(root / "soc", pattern), *subfolders(root, pattern)):
            text = read_text(path)
            if isinstance(text, Unknown):
                return text
            try:
                return int(text.removeprefix("throttled="), 16)
            except ValueError:
                return Unknown(f"{path} holds no bits: {text[:40]!r}")
    return Unknown("no Raspberry Pi firmware is seen")
