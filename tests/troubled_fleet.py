"""A small fleet in which everything goes wrong within an hour or two that can go wrong."""

from __future__ import annotations

from dataclasses import replace

from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.fleet.founding import Founding
from firmware_profiles.profiles.figure import Figure

DEVICES = 20
SEED = 55
"""The MQTT server dies after 24 and 53 minutes, a first validator after 40: well before five rounds end."""


def troubled() -> Founding:
    """Twenty homes, a few of which lie, with many more faults than the shipped file has."""
    catalogue = read_catalogue()
    home = catalogue.fleet("home").resized(DEVICES)

    def often(figure: Figure, value: float) -> Figure:
        return replace(figure, low=value, high=value)

    faults = replace(
        home.faults,
        dropout=often(home.faults.dropout, 0.3),
        crashes_a_day=often(home.faults.crashes_a_day, 20),
        validator_crashes_a_day=often(home.faults.validator_crashes_a_day, 30),
        message_loss=often(home.faults.message_loss, 0.01),
        mqtt_outages_a_day=often(home.faults.mqtt_outages_a_day, 40),
        byzantine=often(home.faults.byzantine, 0.1),
    )
    reachable = home.patterns["reachable"]
    shaky = replace(
        reachable, on_night=often(reachable.on_night, 0.5), off_night=often(reachable.off_night, 0.1)
    )
    patterns = {**home.patterns, "reachable": shaky}
    return Founding(replace(home, faults=faults, patterns=patterns), catalogue, SEED)
