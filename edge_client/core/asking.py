"""One question to the validators, repeated until its owner drops it (PROTOCOL §Asks)."""

from __future__ import annotations

from edge_client.core.timing import Timing, doubled
from edge_client.protocol.messages import Ask, Question


class Asking:
    """Asks one validator after the other; after a whole turn without an answer the wait doubles."""

    def __init__(self, question: Question, nonce: int, validators: int, timing: Timing) -> None:
        self.question = question
        self.nonce = nonce
        self._validators = validators
        self._timing = timing
        self._wait_ms = timing.answer_ms
        self._attempt = -1
        self.due_ms = 0

    def ask(self, now_ms: int) -> Ask | None:
        """The message to publish now, if it is time."""
        if now_ms < self.due_ms:
            return None
        self._attempt += 1
        if self._attempt == self._validators:
            self._attempt = 0
            self._wait_ms = doubled(self._wait_ms, self._timing.answer_ms_max)
        self.due_ms = now_ms + self._wait_ms
        return Ask(self.nonce, self._attempt, self.question)

    def progressed(self, question: Question, now_ms: int) -> Ask:
        """An answer came but there is more to ask: the same validator goes on."""
        self.question = question
        self._wait_ms = self._timing.answer_ms
        self.due_ms = now_ms + self._wait_ms
        return Ask(self.nonce, self._attempt, question)

    def again(self, question: Question) -> None:
        """Ask this from now on, at once."""
        self.question = question
        self.due_ms = 0
