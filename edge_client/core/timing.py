"""How long the agent waits for what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """All waits of the agent, in milliseconds; waits that double stay at their `_max`."""

    answer_ms: int = 2_000
    """For the answer to a question, then the next validator is asked (PROTOCOL: after two seconds)."""
    answer_ms_max: int = 60_000
    register_ms: int = 5_000
    """Between two submissions of the registration."""
    register_ms_max: int = 60_000
    offer_ms: int = 3_000
    """Between two offers of an update that too few validators have confirmed."""
    offer_ms_max: int = 60_000
    collect_ms: int = 300
    """Validators' lists of missing chunks are united for so long before anything is sent again."""
    acknowledge_ms: int = 60_000
    """For the MQTT server to take a chunk; above 16 KiB on the slowest link."""
    head_ms: int = 10_000
    """For the retained chain head of a validator, and past the deadline of a round for the next head."""
    head_ms_max: int = 300_000
    switch_ms: int = 2_000
    """Between two changes of the validator whose chain head is followed."""


def doubled(wait_ms: int, wait_ms_max: int) -> int:
    """The next wait of a back-off."""
    return min(2 * wait_ms, wait_ms_max)


def earliest(*deadlines: int | None) -> int | None:
    """The first deadline of those that exist."""
    first = None
    for one in deadlines:
        if one is not None and (first is None or one < first):
            first = one
    return first
