"""What `calibrate` measured, as a file in the state folder: a running agent takes it at its next look."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

from edge_client.adapters.conditions.sysfs import read_text
from edge_client.core.conditions.prediction import Calibration
from edge_client.core.conditions.readings import Unknown
from edge_client.runtime.files import replace

CALIBRATION_FILE = "calibration.json"


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Replace what was measured before; raises `OSError`."""
    replace(folder / CALIBRATION_FILE, json.dumps(asdict(calibration), indent=1).encode())


def read_calibration(folder: Path) -> Calibration | None:
    """None when nothing was measured yet, and for a file that says nothing: rounds say the same, later."""
    text = read_text(folder / CALIBRATION_FILE)
    if isinstance(text, Unknown):
        return None
    try:
        found = Calibration(**json.loads(text))
        numbers = [found.at_ms, found.ms_per_step, 0 if found.mj_per_step is None else found.mj_per_step]
        usable = all(math.isfinite(one) and one >= 0 for one in numbers) and found.ms_per_step > 0
    except (ValueError, TypeError):
        return None
    return found if usable else None
