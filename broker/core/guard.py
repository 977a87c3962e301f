"""May this validator sign? Not before it has listened, and not where a lost log may have signed already.

A validator's memory of its own votes is its log. A log restored from a backup, or lost, looks complete;
signing from it would contradict what was signed before. So (ADR 0012):

- the key's marker names the log it signs with; another log, or none, must not sign (`judge_start`);
- after a start it asks what it signed, again and again, and listens before it signs anything (LISTENING);
- one that its log does not know means that the log is not the whole one: it stops (`LogGap`);
- told to rejoin, it follows without signing until a block is final that was proposed after its start, and
  then signs only in later slots (REJOINING).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from broker.core.effects import EndRejoin
from broker.core.ledger import Clock

LISTEN_MS = 2_000
"""How long a start waits for what is retained, and for what the others remember of us."""
ASK_MS = 500
"""How often it asks them meanwhile. An answer is one message for each vote, and none where nothing is known,
so no answer shows that it was the whole one: it asks until the wait is over."""


class RestoredError(Exception):
    """This key has signed what this log does not hold; the text is one sentence for the user."""


class Phase(str, Enum):
    """What `edge-broker status` shows."""

    LISTENING = "listening"
    REJOINING = "rejoining"
    SIGNING = "signing"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a validator is started."""

    is_rejoining: bool = False
    listen_ms: int = LISTEN_MS


LISTEN_FIRST = Standing()


def judge_start(marker: bytes | None, log_id: bytes | None, *, is_blank: bool) -> None:
    """Raise `RestoredError` unless the key may sign with this log.

    `marker` is the id of the log that the key signs with, None for a key that was never bound; `log_id` is
    that of the log here; a blank database has neither votes nor blocks. The id of a new log is written before
    the marker, so a crash between leaves an unbound key and a blank database: nothing was signed.
    """
    if marker is None and not is_blank:
        raise RestoredError("the marker beside the key is gone; the key may be a copy")
    if marker is not None and marker != log_id:
        raise RestoredError("the key has signed with another log than the one here")


class Guard:
    """The gate before every signature of one process; `settle` moves it on."""

    def __init__(self, standing: Standing, clock: Clock, sign_above: int) -> None:
        """`sign_above` is what an earlier rejoin ended with."""
        self.phase = Phase.LISTENING
        self._standing = standing
        self._clock = clock
        self._sign_above = sign_above
        self._listens_until_ms: int | None = None
        self._asks_at_ms = 0
        self._started_s: int | None = None
        self._height: int | None = None

    def may_sign(self, slot: int) -> bool:
        """Whether a vote or proposal of this slot may be signed now."""
        return self.phase is Phase.SIGNING and slot > self._sign_above

    def link_up(self, now_ms: int) -> None:
        """From now on what is retained comes in; time without a link is no listening."""
        if self.phase is Phase.LISTENING:
            self._listens_until_ms = now_ms + self._standing.listen_ms
            self._asks_at_ms = now_ms

    def asks(self, now_ms: int) -> bool:
        """Whether to ask the others now what we signed; true once every `ASK_MS` of listening."""
        if self.phase is not Phase.LISTENING or self._listens_until_ms is None or now_ms < self._asks_at_ms:
            return False
        self._asks_at_ms = now_ms + ASK_MS
        return True

    def link_lost(self) -> None:
        """See `link_up`."""
        self._listens_until_ms = None

    def is_gap(self, slot: int) -> bool:
        """Whether a vote of ours in `slot` that is not in the log means that the log is not the whole one."""
        return not self._standing.is_rejoining and slot > self._sign_above

    def settle(self, height: int, time_s: int, slot: int, now_ms: int) -> list[EndRejoin]:
        """Move on. The head has `height` and was proposed at `time_s`; `slot` is that of its certificate.

        The answer ends a rejoin: it is to be on the disk before the next signature.
        """
        chain_s = self._clock.chain_time_s(now_ms)
        if self._started_s is None:
            self._started_s, self._height = chain_s, height
        if self.phase is Phase.LISTENING and self._has_listened(now_ms):
            self.phase = Phase.REJOINING if self._standing.is_rejoining else Phase.SIGNING
        is_new = height != self._height
        self._height = height
        if self.phase is not Phase.REJOINING or not is_new:
            return []
        if not self._started_s + 2 * self._clock.drift_s < time_s <= chain_s + self._clock.drift_s:
            return []
        self.phase, self._sign_above = Phase.SIGNING, max(self._sign_above, slot + 1)
        return [EndRejoin(self._sign_above)]

    def deadline(self) -> int | None:
        """When to ask again, or when listening ends."""
        if self.phase is not Phase.LISTENING or self._listens_until_ms is None:
            return None
        return min(self._asks_at_ms, self._listens_until_ms)

    def _has_listened(self, now_ms: int) -> bool:
        return self._listens_until_ms is not None and now_ms >= self._listens_until_ms
