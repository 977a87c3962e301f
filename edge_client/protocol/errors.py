"""What can be wrong with bytes that came from somebody else.

A peer's fault is a value: machines catch `ProtocolError`, count its `reason` and go on. Programmer
mistakes are ordinary exceptions and crash loudly.
"""

from __future__ import annotations

from enum import Enum


class Reason(str, Enum):
    """Why something from a peer was refused; the value is what logs, counters and `status` show."""

    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad-signature"
    WRONG_CHAIN = "wrong-chain"
    WRONG_SENDER = "wrong-sender"
    UNKNOWN_BASE = "unknown-base"
    STALE = "stale"
    WRONG_SHAPE = "wrong-shape"
    OUT_OF_RANGE = "out-of-range"
    OVERSIZE = "oversize"
    DUPLICATE = "duplicate"
    REPLAY = "replay"
    UNREGISTERED = "unregistered"
    UNSELECTED = "unselected"
    NOT_ADMITTED = "not-admitted"
    JAILED = "jailed"
    TOO_FEW_SIGNATURES = "too-few-signatures"
    BELOW_STORED_HEIGHT = "below-stored-height"
    WRONG_HASH = "wrong-hash"
    TIME = "time"
    INVALID_BLOCK = "invalid-block"
    RATE = "rate"
    EXPIRED = "expired"


class ProtocolError(Exception):
    """A peer broke the protocol; carries the reason to count and the fields to show."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


class DecodeError(ProtocolError):
    """Bytes that are not the one canonical encoding of anything."""

    def __init__(self, detail: str, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(reason, detail)
