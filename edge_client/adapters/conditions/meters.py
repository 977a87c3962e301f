"""Electrical power of the whole board, from INA219 and INA3221 chips that the kernel shows as hwmon."""

from __future__ import annotations

from pathlib import Path

from edge_client.adapters.conditions.sysfs import read_number, read_text, subfolders
from edge_client.core.conditions.readings import Reading, Unknown

CHIPS = ("ina219", "ina226", "ina3221")
WHOLE_BOARD = ("VDD_IN", "POM_5V_IN", "5V_IN")
"""Labels of the rail that feeds everything else on Jetson boards."""
MILLI, MICRO = 1000, 1_000_000


def read_meter(root: Path) -> Reading[float]:
    """Watts, from `/sys/class/hwmon`."""
    for chip in subfolders(root, "hwmon*"):
        if read_text(chip / "name") not in CHIPS:
            continue
        power = read_number(chip / "power1_input", MICRO)
        return _rail(chip) if isinstance(power, Unknown) else power
    return Unknown("no INA219 or INA3221 is seen")


def _rail(chip: Path) -> Reading[float]:
    """Volts times amperes of the rail that feeds the board, or of the first one."""
    labels = {label: read_text(label) for label in subfolders(chip, "in*_label")}
    named = [label for label, text in labels.items() if text in WHOLE_BOARD]
    number = (named or [chip / "in1_label"])[0].name.removeprefix("in").removesuffix("_label")
    volts = read_number(chip / f"in{number}_input", MILLI)
    amperes = read_number(chip / f"curr{number}_input", MILLI)
    if isinstance(volts, Unknown):
        return volts
    return amperes if isinstance(amperes, Unknown) else volts * amperes
