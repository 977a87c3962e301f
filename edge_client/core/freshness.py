"""Whether the head is the latest there is: signatures cannot say, but validators that answer a nonce can.

A head is *fresh* when f+1 validators of the trusted set signed, for one question of ours, that theirs is the
same, or one that we have passed since: at least one of them is honest, so no final head was kept from us when
it signed [FRS-2].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from edge_client.core.trusted import TrustedHead
from edge_client.protocol.wake import Fresh

FRESH_MS = 600_000
"""A head counts as fresh for so long after the question that showed it; then a question asks again."""


class Standing(str, Enum):
    """What is known about the head."""

    FRESH = "fresh"
    STALE_OK = "stale-ok"
    """It was the latest when last asked; proven as ever, but there may be a later one."""
    UNKNOWN = "unknown"


class Heard(Enum):
    """What a validator's word means."""

    NOTHING = 0
    AGREES = 1
    HIGHER = 2
    """There is a later head; ask for it."""
    CONTRADICTS = 3
    """Another header of the same height: somebody lies, or two histories are final."""


@dataclass(slots=True)
class Freshness:
    """The words on one question, and when the head was last seen fresh. `enough` is f+1."""

    enough: int
    nonce: int | None = None
    _asked_ms: int = 0
    fresh_ms: int | None = None
    """When the question was asked that last showed the head fresh."""
    _words: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)

    def asked(self, nonce: int, now_ms: int) -> None:
        """A question goes out; words on earlier ones no longer count."""
        if nonce != self.nonce:
            self.nonce, self._asked_ms = nonce, now_ms
            self._words.clear()

    def hear(self, validator: bytes, word: Fresh, head: TrustedHead) -> Heard:
        """Take a verified word of the validator with this key."""
        if word.nonce != self.nonce or word.height < head.height:
            return Heard.NOTHING
        if word.height == head.height and word.hash != head.hash:
            return Heard.CONTRADICTS
        self._words[validator] = (word.height, word.hash)
        self.reached(head)
        return Heard.HIGHER if word.height > head.height else Heard.AGREES

    def reached(self, head: TrustedHead) -> None:
        """The head is this one now."""
        passed = [1 for height, hash_ in self._words.values() if height < head.height or hash_ == head.hash]
        if len(passed) >= self.enough:
            self.fresh_ms = self._asked_ms

    def wanted(self, now_ms: int) -> bool:
        """Whether a question should ask for words."""
        return self.standing(now_ms) != Standing.FRESH

    def slept(self) -> None:
        """The link was away: whatever was fresh may not be any more."""
        self.nonce = None
        self._words.clear()

    def age_ms(self, now_ms: int) -> int | None:
        """How long ago the head was known to be the latest."""
        return None if self.fresh_ms is None else max(0, now_ms - self.fresh_ms)

    def standing(self, now_ms: int) -> Standing:
        """What may be said of the head now."""
        age_ms = self.age_ms(now_ms)
        if age_ms is None:
            return Standing.UNKNOWN
        return Standing.FRESH if age_ms <= FRESH_MS else Standing.STALE_OK
