"""The link that leads to the internet: its kind, how strong it is, and whether it costs money by its kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_client.adapters.conditions.sysfs import read_text
from edge_client.core.conditions.readings import Reading, Unknown

MODEM_PREFIXES = ("wwan", "ppp", "rmnet", "cdc-wdm")
UP = 1


@dataclass(frozen=True, slots=True)
class Link:
    """`metered` is known only where the kind of link leaves no doubt."""

    kind: Reading[str]
    rssi_dbm: Reading[float]
    metered: Reading[bool]


def read_link(proc_net: Path, sys_net: Path) -> Link:
    """From `/proc/net` and `/sys/class/net`."""
    name = _default_interface(proc_net / "route")
    no_signal = Unknown("not a wireless link")
    if isinstance(name, Unknown):
        return Link(name, no_signal, Unknown("no link is known"))
    if name.startswith(MODEM_PREFIXES):
        return Link("modem", no_signal, True)
    if (sys_net / name / "wireless").exists() or (sys_net / name / "phy80211").exists():
        return Link(
            "wifi", _signal(proc_net / "wireless", name), Unknown("nobody says whether it is metered")
        )
    return Link("ethernet", no_signal, Unknown("nobody says whether it is metered"))


def _default_interface(path: Path) -> str | Unknown:
    """The interface of the default route with the lowest metric."""
    text = read_text(path)
    if isinstance(text, Unknown):
        return text
    rows = [line.split() for line in text.splitlines()[1:]]
    try:
        routes = [(int(row[6]), row[0]) for row in rows if row[1] == "00000000" and int(row[3], 16) & UP]
    except (IndexError, ValueError):
        return Unknown(f"{path} cannot be read")
    return min(routes)[1] if routes else Unknown("there is no default route")


def _signal(path: Path, name: str) -> Reading[float]:
    text = read_text(path)
    if isinstance(text, Unknown):
        return text
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == f"{name}:" and len(words) > 3:
            try:
                return float(words[3].rstrip("."))
            except ValueError:
                break
    return Unknown(f"{path} does not name {name}")
