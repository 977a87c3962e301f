"""UPower and NetworkManager over D-Bus, with `jeepney` (extra `dbus`); without it, or without them: unknown.

Every question has a hard time limit and opens a connection of its own: at one look in half a minute that is
cheaper than keeping one alive.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

from edge_client.adapters.conditions.battery import NONE_SEEN, Supply
from edge_client.core.conditions.readings import Reading, Unknown

TIMEOUT_S = 2.0
METERED, GUESS_METERED, NOT_METERED, GUESS_NOT_METERED = 1, 3, 2, 4
UPOWER = "org.freedesktop.UPower"
NETWORK_MANAGER = "org.freedesktop.NetworkManager"
BATTERY_KIND = 2


def read_property(service: str, path: str, interface: str, name: str) -> Any:
    """The property's value, or `Unknown`."""
    try:
        bus, blocking = import_module("jeepney"), import_module("jeepney.io.blocking")
    except ImportError:
        return Unknown("jeepney is not installed (extra: dbus)")
    try:
        with blocking.open_dbus_connection(bus="SYSTEM") as connection:
            question = bus.Properties(bus.DBusAddress(path, service, interface)).get(name)
            reply = connection.send_and_get_reply(question, timeout=TIMEOUT_S)
            return reply.body[0][1] if reply.header.message_type.name == "method_return" else _none(service)
    except Exception as error:  # noqa: BLE001 (whatever the bus does, the reading is unknown)
        return Unknown(f"{service}: {type(error).__name__} {error}"[:120])


def _none(service: str) -> Unknown:
    return Unknown(f"{service} does not answer")


def metered_of(value: Any) -> Reading[bool]:
    """NetworkManager's five words; its guesses count."""
    if isinstance(value, Unknown):
        return value
    if value in (METERED, GUESS_METERED):
        return True
    return False if value in (NOT_METERED, GUESS_NOT_METERED) else Unknown("NetworkManager does not know")


def read_metered() -> Reading[bool]:
    """Whether the link is metered."""
    path = "/org/freedesktop/NetworkManager"
    return metered_of(read_property(NETWORK_MANAGER, path, NETWORK_MANAGER, "Metered"))


def read_upower() -> Supply:
    """UPower's display device, the sum of all batteries that feed the board."""
    device, interface = "/org/freedesktop/UPower/devices/DisplayDevice", f"{UPOWER}.Device"
    if read_property(UPOWER, device, interface, "Type") != BATTERY_KIND:
        return NONE_SEEN
    on_battery = read_property(UPOWER, "/org/freedesktop/UPower", UPOWER, "OnBattery")
    percent = read_property(UPOWER, device, interface, "Percentage")
    mains = on_battery if isinstance(on_battery, Unknown) else not on_battery
    return replace(NONE_SEEN, has_battery=True, mains=mains, battery_pct=percent)
