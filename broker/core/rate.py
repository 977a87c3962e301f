"""How often one sender may make a validator work: a token bucket per sender, in a bounded table."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.protocol.errors import ProtocolError, Reason

SENDERS_MAX = 16384


@dataclass(frozen=True, slots=True)
class Allowance:
    """`burst` at once, `per_s` in the long run."""

    burst: int
    per_s: int


RUN_TOKENS = 8
"""A run of headers costs as much work as so many small questions; an inclusion proof costs one more."""

WAKE_TOKENS = 4
"""A head with its way from an earlier one; each update asked for costs one more."""
ATTACK_TOKENS = 16
"""A report of an attack: up to 32 signatures are verified."""

DEVICE_ASKS = Allowance(burst=64, per_s=16)
DEVICE_WORDS = Allowance(burst=8, per_s=1)
"""Signed words on what the head is: every validator gives one for every question that wants it."""
PEER_ASKS = Allowance(burst=1024, per_s=256)
OUTSIDER_ASKS = Allowance(burst=64, per_s=16)
"""Of a candidate, or of a validator of genesis that lost its seat: there may be many."""
OUTSIDER_RUNS = Allowance(burst=8, per_s=4)
"""Runs of headers looked at that come from nodes without a seat, all of them together."""


class Buckets:
    """Token buckets of many senders; the one idle longest is forgotten first."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._levels: dict[str, tuple[int, int]] = {}

    def take(self, sender: str, now_ms: int, tokens: int = 1) -> None:
        """Use tokens; raises `ProtocolError` when there are too few. Levels count thousandths of a token."""
        full = self._allowance.burst * 1000
        level, at_ms = self._levels.pop(sender, (full, now_ms))
        level = min(full, level + max(0, now_ms - at_ms) * self._allowance.per_s)
        if len(self._levels) >= SENDERS_MAX:
            del self._levels[next(iter(self._levels))]
        if level < tokens * 1000:
            self._levels[sender] = (level, now_ms)
            raise ProtocolError(Reason.RATE, f"more than {self._allowance.per_s} questions a second")
        self._levels[sender] = (level - tokens * 1000, now_ms)
