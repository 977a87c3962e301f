"""Whether anybody answers: the only sign there is of a server that drops what a device publishes.

MQTT 3.1.1 has no refusal of a publish, so an access list that is wrong looks like validators that are down.
What can be told apart is: while blocks go on coming, validators live, and our questions are lost on the way.
"""

from __future__ import annotations

from edge_client.protocol.machine import Note

UNANSWERED_MS = 120_000
"""By then every validator has been asked several times."""
NOBODY = (
    "no validator answers: none runs, or the MQTT server drops what this device publishes; "
    "see `edge-client doctor`, and ask the chain's operator"
)
DROPPED = (
    "blocks come but no answers: the MQTT server may be dropping what this device publishes; "
    "its operator should compare the access list with this device's id"
)


class Silence:
    """How long questions have been open without a word of any validator."""

    def __init__(self) -> None:
        self._since_ms: int | None = None
        self._height = 0
        self.why = ""
        """What the owner should know; empty while there is nothing."""

    def answered(self) -> list[Note]:
        """A validator said something to this device."""
        was, self.why, self._since_ms = self.why, "", None
        return [Note("answered")] if was else []

    def link_lost(self) -> None:
        """Nothing can be answered now; what was said stays until something is."""
        self._since_ms = None

    def watch(self, asking: bool, height: int, now_ms: int) -> list[Note]:
        """After each event: whether a question is open, and the height of the head."""
        if not asking:
            self._since_ms = None
            return []
        if self._since_ms is None:
            self._since_ms, self._height = now_ms, height
        if now_ms - self._since_ms < UNANSWERED_MS:
            return []
        why = DROPPED if height > self._height else NOBODY
        if why == self.why:
            return []
        self.why = why
        return [Note("unanswered", {"why": why})]
