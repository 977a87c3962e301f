"""The small file beside a validator's key that names the log the key signs with (ADR 0012).

Key and log are apart on purpose: who copies only one of them gets a pair that does not fit, and that pair
refuses to sign. Order of writing: the log's id into the database, then the marker, then the first vote; so
after a crash between, marker and log differ or the marker is missing, and nothing was signed in between.
"""

from __future__ import annotations

import os
from pathlib import Path

from broker.adapters.log_name import LogName
from broker.core.effects import EndRejoin
from broker.core.guard import RestoredError, judge_start
from edge_client.runtime.files import replace

MARKER_SUFFIX = ".log-id"
LOG_ID_BYTES = 16
FILE_BYTES_MAX = 256
"""More than this is certainly not a marker, so no more is read."""
REJOIN_HINT = "start it once with --rejoin; see docs/OPERATIONS.md, 'When something breaks'"


class KeyMarker:
    """The marker of one key, and the log it is compared with."""

    def __init__(self, key_file: Path, log: LogName) -> None:
        self._path = key_file.with_name(key_file.name + MARKER_SUFFIX)
        self._log = log

    def check(self) -> None:
        """Raise `RestoredError` unless the key may sign with the log here."""
        try:
            judge_start(self._read(), self._log.id(), is_blank=self._log.is_blank())
        except RestoredError as why:
            raise RestoredError(f"{why}: {REJOIN_HINT}") from why

    def bind(self) -> None:
        """Check; a key that was never used is bound to the log here, which gets an id if it has none."""
        self.check()
        if self._log.id() is None:
            self._log.begin(os.urandom(LOG_ID_BYTES))
        if self._read() is None:
            self._write()

    def loosen(self) -> None:
        """Give the log a new id: until `end_rejoin`, no start signs with it, however often it is tried."""
        self._log.begin(os.urandom(LOG_ID_BYTES))

    def end_rejoin(self, effect: EndRejoin) -> None:
        """From which slot on the log is whole; then the marker."""
        self._log.end_rejoin(effect)
        self._write()

    def _read(self) -> bytes | None:
        """The id in the marker; no bytes at all for a marker that is not one, which no log has as its id."""
        try:
            with self._path.open("rb") as file:
                return bytes.fromhex(file.read(FILE_BYTES_MAX).decode("ascii").strip())
        except FileNotFoundError:
            return None
        except ValueError:
            return b""

    def _write(self) -> None:
        log_id = self._log.id()
        if log_id is None:
            raise RuntimeError("a log without an id cannot be bound to")
        replace(self._path, log_id.hex().encode() + b"\n")
