"""[ERR-1]: reasons are numbered by their place, so their order is part of the protocol."""

from __future__ import annotations

from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.messages import REASONS


def test_an_error_shows_reason_and_detail() -> None:
    error = ProtocolError(Reason.STALE, "round 3, now 20")
    assert str(error) == "stale: round 3, now 20"
    assert (error.reason, error.detail) == (Reason.STALE, "round 3, now 20")
    assert DecodeError("x").reason == Reason.MALFORMED


def test_numbers_of_reasons_never_move() -> None:
    assert [reason.value for reason in REASONS] == [
        "malformed",
        "bad-signature",
        "wrong-chain",
        "wrong-sender",
        "unknown-base",
        "stale",
        "wrong-shape",
        "out-of-range",
        "oversize",
        "duplicate",
        "replay",
        "unregistered",
        "unselected",
        "not-admitted",
        "jailed",
        "too-few-signatures",
        "below-stored-height",
        "wrong-hash",
        "time",
        "invalid-block",
        "rate",
        "expired",
    ]
