"""Which validator's chain head the device listens to: one, and another when it is wrong, silent or behind."""

from __future__ import annotations

from edge_client.core.timing import Timing, doubled
from edge_client.core.trusted import TrustedHead
from edge_client.protocol.machine import Note, Subscribe, Unsubscribe
from edge_client.protocol.topics import Topics


class Follower:
    """Walks through the validators in an order of its own; `ids` are node ids."""

    def __init__(self, topics: Topics, ids: tuple[str, ...], timing: Timing) -> None:
        self._topics = topics
        self._ids = ids
        self._timing = timing
        self._turn = 0
        self._switched_ms = 0
        self._silence_ms = timing.head_ms
        self._height = -1
        self._heard = False
        self._preferred: str | None = None
        self.followed: str | None = None
        """The validator whose head is subscribed."""
        self.due_ms = 0

    @property
    def heard_nobody(self) -> bool:
        """Whether all were followed in turn, and none had a head for us."""
        return self._turn > len(self._ids)

    def choose_from(self, ids: tuple[str, ...]) -> None:
        """Other validators have the seats now; the one that is followed stays so until the next change."""
        if set(ids) != set(self._ids):
            self._ids, self._turn = ids, 0
            self.due_ms = min(self.due_ms, self._switched_ms + self._timing.switch_ms)

    def advance(self, now_ms: int) -> list[Subscribe | Unsubscribe | Note]:
        """Follow the next validator if it is time."""
        if now_ms < self.due_ms:
            return []
        looks_again = self._preferred is not None and self._preferred == self.followed
        old, new = self.followed, self._next()
        self._switched_ms, self._heard = now_ms, False
        self._turn = min(self._turn, len(self._ids)) + 1
        self.due_ms = now_ms + self._silence_ms
        self._silence_ms = doubled(self._silence_ms, self._timing.head_ms_max)
        if new == old and not looks_again:
            return []  # the only validator there is
        self.followed = new
        subscribe = Subscribe((self._topics.chain_head(new),))
        if old is None:
            return [subscribe]
        left = Unsubscribe((self._topics.chain_head(old),))
        return [left, subscribe, Note("follow", {"validator": new, "instead_of": old})]

    def prefer(self, validator: str, now_ms: int) -> None:
        """Follow this one next, and soon: its retained head is wanted even if it is followed already."""
        self._preferred = validator
        self.due_ms = min(self.due_ms, max(now_ms, self._switched_ms + self._timing.switch_ms))

    def _next(self) -> str:
        preferred, self._preferred = self._preferred, None
        if preferred in self._ids:
            return preferred
        if self.followed not in self._ids:
            return self._ids[0]
        return self._ids[(self._ids.index(self.followed) + 1) % len(self._ids)]

    def link_up(self, now_ms: int) -> None:
        """The retained head of the followed validator should come at once."""
        if self.followed is not None:
            self.due_ms = now_ms + self._timing.head_ms

    def heard(self, head: TrustedHead, round_s: int, t0_s: int, now_ms: int) -> None:
        """A head that is not older than ours came; the next one is due when its round must be over.

        Repetitions of one head do not count, or a validator that hangs would be followed for ever.
        """
        self._turn = 0
        if self._heard and head.height <= self._height:
            return
        if head.height > self._height:
            self._silence_ms = self._timing.head_ms
        self._heard, self._height = True, head.height
        closes_ms = (t0_s + head.learning.opened_at_s + round_s) * 1000 - now_ms
        # Our clock may be wrong: never wait longer than a round, nor less than the margin.
        self.due_ms = now_ms + max(0, min(closes_ms, round_s * 1000)) + self._silence_ms

    def suspect(self, now_ms: int) -> None:
        """It said something wrong or is behind: leave it soon."""
        self.due_ms = min(self.due_ms, max(now_ms, self._switched_ms) + self._timing.switch_ms)
