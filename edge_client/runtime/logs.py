"""Logs on standard error, one line each: an event name and `key=value` fields.

Peers decide how often something goes wrong, so what peers do is logged once per reason and sender and only
counted from then on; the memory for "once" is bounded.
"""

from __future__ import annotations

import logging
import re
import sys
from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import TextIO

from edge_client.protocol.errors import Reason
from edge_client.protocol.machine import Note, Refused

REMEMBERED_MAX = 1024
"""How many (reason, sender) pairs are remembered as logged; the longest unseen is forgotten first."""

FIELD_CHARS_MAX = 200
"""A field may hold a peer's text; more than this of it helps nobody."""

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_PLAIN = re.compile(r"[A-Za-z0-9_.:/+@-]+\Z")


def line(event: str, **fields: object) -> str:
    """`event key=value …`; odd characters are quoted, so a peer cannot forge a line."""
    return " ".join([event, *(f"{key}={_value(field)}" for key, field in fields.items())])


def configure(stream: TextIO = sys.stderr, *, level: int = logging.INFO, journal: bool = False) -> None:
    """Send all logs to `stream`; with `journal`, each line starts with the `<N>` that journald reads."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JournalFormatter() if journal else logging.Formatter(_TERMINAL_FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


class SeenOnce:
    """Remembers a bounded number of things."""

    def __init__(self, remembered_max: int = REMEMBERED_MAX) -> None:
        self._remembered_max = remembered_max
        self._seen: OrderedDict[Hashable, None] = OrderedDict()

    def first(self, thing: Hashable) -> bool:
        """Whether `thing` is new, as far as we remember; from now on it is not."""
        new = thing not in self._seen
        self._seen[thing] = None
        self._seen.move_to_end(thing)
        if len(self._seen) > self._remembered_max:
            self._seen.popitem(last=False)
        return new


class EventLog:
    """Executes the `Note` and `Refused` effects of one machine, and keeps the counts that `status` shows."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._seen = SeenOnce()
        self.refused_counts: Counter[Reason] = Counter()

    def note(self, note: Note) -> None:
        """One line."""
        self._logger.info(line(note.event, **note.fields))

    def refused(self, refused: Refused) -> None:
        """Count; one line when this sender did not do this before."""
        self.refused_counts[refused.reason] += 1
        if self._seen.first((refused.reason, refused.sender)):
            fields = {"reason": refused.reason.value, "sender": refused.sender, "detail": refused.detail}
            self._logger.warning(line("refused", **fields))


_TERMINAL_FORMAT = "%(asctime)s %(levelname)-7s %(message)s"


class _JournalFormatter(logging.Formatter):
    """journald adds time and unit itself; a traceback's lines each need the priority."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{_PRIORITY.get(record.levelno, 6)}>"
        return "\n".join(prefix + text for text in super().format(record).splitlines())


def _value(field: object) -> str:
    text = field if isinstance(field, str) else str(field).lower() if isinstance(field, bool) else str(field)
    if len(text) > FIELD_CHARS_MAX:
        text = text[:FIELD_CHARS_MAX] + "…"
    return text if _PLAIN.match(text) else _quoted(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in escaped) + '"'
