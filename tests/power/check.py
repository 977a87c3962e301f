"""Prepares, records and judges: one call for the tests and for `make check-power`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.power import device_subject, validator_subject
from tests.power.disk_model import some_fates
from tests.power.judging import Campaign, Depth, Subject, Verdict
from tests.power.mistakes import DEVICE, VALIDATOR
from tests.power.operations import Recording
from tests.power.tracing import record

MEMORY = Path("/dev/shm")
"""Only to be fast; a fresh folder inside."""
FIRST = Depth(some_fates, failures_max=1)
"""Enough to see a mistake."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program and how its folder is made and checked."""

    module: str
    prepare: Callable[[Path], Path]
    subject: Subject


PROGRAMS = {
    DEVICE: Program(device_subject.MODULE, device_subject.prepare, device_subject.DeviceSubject()),
    VALIDATOR: Program(
        validator_subject.MODULE, validator_subject.prepare, validator_subject.ValidatorSubject()
    ),
}


def check(name: str, depth: Depth, mistake: str = "") -> tuple[Recording, Verdict]:
    """Record the program, with a mistake if one is named, and try the cuts."""
    program = PROGRAMS[name]
    with TemporaryDirectory(prefix="power-", dir=MEMORY if MEMORY.is_dir() else None) as place:
        state = program.prepare(Path(place))
        recording = record(state, program.module, *([mistake] if mistake else []))
        return recording, Campaign(program.subject, recording, Path(place) / "cut").run(depth)
