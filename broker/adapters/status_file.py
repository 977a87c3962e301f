"""What `edge-broker status` shows of a running validator beside its database: counters and its latest notes.

`Reporting` wraps the validator as a machine of its own, so that whatever happened is in the file
`STATUS_INTERVAL_MS` later, also when nothing else happens. Not at once: a block is then being decided, and
the syncs of a status file would stand in its way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from broker.core.validator import Validator, ValidatorEffect, ValidatorEvent
from edge_client.protocol.errors import Reason
from edge_client.protocol.machine import Note
from edge_client.runtime.files import show

STATUS_FILE = "status.json"
STATUS_INTERVAL_MS = 1000


class Reporting:
    """A validator that writes down how it is; `refused` is counted by the event log. `interval_ms` counts by
    the machine's clock: where that goes faster than the wall's, it must be longer to spare the disk."""

    def __init__(
        self,
        validator: Validator,
        path: Path,
        refused: Mapping[Reason, int],
        interval_ms: int = STATUS_INTERVAL_MS,
    ) -> None:
        self._validator = validator
        self._path = path
        self._refused = refused
        self._interval_ms = interval_ms
        self._latest: dict[str, object] = {}
        self._now_ms = 0
        self._due_ms: int | None = None

    def handle(self, event: ValidatorEvent, now_ms: int) -> list[ValidatorEffect]:
        """See `Machine`."""
        self._now_ms = now_ms
        if self._due_ms is not None and now_ms >= self._due_ms:
            self.write(now_ms)
        return self._validator.handle(event, now_ms)

    def deadline(self) -> int | None:
        """See `Machine`."""
        times = (self._validator.deadline(), self._due_ms)
        return min((at for at in times if at is not None), default=None)

    def note(self, note: Note, now_ms: int) -> None:
        """Remember the latest of each event."""
        self._latest[note.event] = {**note.fields, "at_ms": now_ms}
        self.changed()

    def changed(self) -> None:
        """Something is to be written."""
        if self._due_ms is None:
            self._due_ms = self._now_ms + self._interval_ms

    def write(self, now_ms: int) -> None:
        """Write now."""
        self._due_ms = None
        refused = {reason.value: count for reason, count in self._refused.items()}
        facts = {"pid": os.getpid(), **self._latest, "refused": refused, "written_ms": now_ms}
        show(self._path, json.dumps(facts, indent=1).encode())


def read_status_file(folder: Path) -> dict[str, Any]:
    """The last words of the running or last process in this state folder; empty when there are none."""
    try:
        words = json.loads((folder / STATUS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return words if isinstance(words, dict) else {}
