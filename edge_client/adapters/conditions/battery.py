"""Mains and battery: the kernel's power supplies, PiSugar's socket, psutil."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from edge_client.adapters.conditions.sysfs import read_number, read_text, subfolders
from edge_client.core.conditions.readings import Reading, Unknown

PISUGAR_SOCKET = Path("/tmp/pisugar-server.sock")  # noqa: S108 (PiSugar's own choice)
PISUGAR_TIMEOUT_S = 0.5
PISUGAR_ANSWER_BYTES_MAX = 512
MICRO = 1_000_000
NOT_ON_BATTERY = ("Charging", "Full", "Not charging")


@dataclass(frozen=True, slots=True)
class Supply:
    """What feeds the board. `power_w` is what the battery gives or takes."""

    has_battery: bool
    mains: Reading[bool]
    battery_pct: Reading[float]
    battery_wh: Reading[float]
    power_w: Reading[float]


NONE_SEEN = Supply(
    False,
    Unknown("no power supply is known to the system"),
    Unknown("no battery is seen"),
    Unknown("no battery is seen"),
    Unknown("no meter is seen"),
)


def read_power_supply(root: Path) -> Supply:
    """`/sys/class/power_supply`, without the batteries of mice and keyboards."""
    found = NONE_SEEN
    for folder in subfolders(root, "*"):
        kind = read_text(folder / "type")
        if read_text(folder / "scope") == "Device":
            continue
        if kind == "Battery" and not found.has_battery:
            found = _battery(folder, found.mains)
        elif kind in ("Mains", "USB", "Wireless"):
            online = read_number(folder / "online")
            if not isinstance(online, Unknown) and (online or isinstance(found.mains, Unknown)):
                found = replace(found, mains=bool(online))
    return found


def _battery(folder: Path, mains: Reading[bool]) -> Supply:
    status = read_text(folder / "status")
    if isinstance(mains, Unknown):
        if status in NOT_ON_BATTERY:
            mains = True
        elif status == "Discharging":
            mains = False
        else:
            mains = status if isinstance(status, Unknown) else Unknown(f"battery status {status[:20]!r}")
    power = read_number(folder / "power_now", MICRO)
    if isinstance(power, Unknown):
        volts, amperes = (
            read_number(folder / "voltage_now", MICRO),
            read_number(folder / "current_now", MICRO),
        )
        if not isinstance(volts, Unknown) and not isinstance(amperes, Unknown):
            power = volts * amperes
    power = power if isinstance(power, Unknown) else abs(power)
    full = read_number(folder / "energy_full", MICRO)
    return Supply(True, mains, read_number(folder / "capacity"), full, power)


def read_pisugar(path: Path) -> Supply:
    """The daemon of PiSugar boards, by its line protocol."""
    charge = _pisugar(path, "battery")
    plugged = _pisugar(path, "battery_power_plugged")
    if isinstance(charge, Unknown):
        return NONE_SEEN
    try:
        percent: Reading[float] = float(charge)
    except ValueError:
        percent = Unknown(f"PiSugar says {charge[:40]!r}")
    mains = plugged if isinstance(plugged, Unknown) else plugged == "true"
    return replace(NONE_SEEN, has_battery=True, mains=mains, battery_pct=percent)


def _pisugar(path: Path, name: str) -> str | Unknown:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(PISUGAR_TIMEOUT_S)
            link.connect(str(path))
            link.sendall(f"get {name}\n".encode())
            answer = link.recv(PISUGAR_ANSWER_BYTES_MAX).decode("utf-8", "replace").strip()
    except OSError as error:
        return Unknown(f"PiSugar at {path}: {error.strerror or error}")
    key, colon, value = answer.partition(":")
    return value.strip() if colon and key == name else Unknown(f"PiSugar says {answer[:40]!r}")


def read_psutil() -> Supply:
    """What psutil finds; it also knows drivers that the kernel shows in other places."""
    try:
        found = psutil.sensors_battery()
    except (OSError, RuntimeError, AttributeError, ValueError):
        return NONE_SEEN
    if found is None:
        return NONE_SEEN
    plugged: Any = found.power_plugged  # None where psutil cannot say, whatever its stubs promise
    mains: Reading[bool] = Unknown("psutil does not know") if plugged is None else bool(plugged)
    return replace(NONE_SEEN, has_battery=True, mains=mains, battery_pct=float(found.percent))


def first_supply(readers: tuple[Callable[[], Supply], ...]) -> Supply:
    """Of the first reader that sees a battery; else of the first that at least knows of mains."""
    seen = NONE_SEEN
    for read in readers:
        found = read()
        if found.has_battery:
            return found
        seen = found if isinstance(seen.mains, Unknown) else seen
    return seen
