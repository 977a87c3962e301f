"""A file that exists while a round is trained, so that the next start can say how an agent ended that could
not say so itself. Not synced: it is for kills of the process, and costs an SD card next to nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_client.adapters.conditions.sysfs import read_text
from edge_client.core.conditions.memory import Kills, why_it_ended
from edge_client.core.conditions.readings import NOT_READ, Unknown, known

MARKER_FILE = "training.json"


@dataclass(frozen=True, slots=True)
class Death:
    """How the process before ended: the round it trained, why, and whether that may happen again in it."""

    round: int
    why: str
    again: bool


class TrainingMarker:
    """The file in the state folder."""

    def __init__(self, folder: Path, read: Callable[[], Kills]) -> None:
        self._path = folder / MARKER_FILE
        self._read = read
        self._death: Death | None = None

    def begin(self, round_number: int) -> None:
        """Training begins."""
        kills = self._read()
        facts = {"round": round_number, "boot": known(kills.boot), "count": known(kills.count)}
        self._path.write_text(json.dumps(facts), encoding="utf-8")

    def end(self) -> None:
        """Training ended, whatever came of it."""
        self._path.unlink(missing_ok=True)

    def death(self) -> Death | None:
        """How the last process ended, if it was at work then; for the start, once."""
        text = read_text(self._path)
        self.end()
        if isinstance(text, Unknown):
            return None
        try:
            facts = json.loads(text)
            round_number, boot, count = int(facts["round"]), facts["boot"], facts["count"]
        except (ValueError, TypeError, KeyError):
            return None
        before = Kills(
            boot if isinstance(boot, str) else NOT_READ,
            count if isinstance(count, int) else NOT_READ,
        )
        self._death = Death(round_number, *why_it_ended(before, self._read()))
        return self._death

    def refusal(self, round_number: int) -> str | None:
        """Why this round is not tried again: it killed the agent, and may do so again."""
        death = self._death
        if death is None or not death.again or death.round != round_number:
            return None
        return f"the agent ended in this round: {death.why}"
