"""All processes of a rehearsal begin together: its clock stands still until each of them is ready.

Otherwise the fast clock's minutes in which they load their software would be missing from the first round.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from firmware_profiles.emulate.plan import Emulation

LEAD_WALL_MS = 2_000
"""From the last process that is ready to the beginning: validators connect."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A process has loaded its software and waits for a `Begin`."""


@dataclass(frozen=True, slots=True)
class Begin:
    """When the clocks of all start, in Unix milliseconds."""

    began_ms: int


def begun(plan: Emulation, parent: Connection) -> Emulation:
    """The plan with its beginning, unless it has one: then say that this process is ready, and wait for it.
    Without a parent that says so, the process ends."""
    if plan.began_ms is not None:
        return plan
    try:
        parent.send(Ready())
        told = parent.recv()
    except (EOFError, OSError):
        told = None
    if not isinstance(told, Begin):
        sys.exit(1)
    return replace(plan, began_ms=told.began_ms)
