"""When what the fleet file lets go wrong happens: the same draws for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from math import log

from firmware_profiles.twin.draws import share

DAY_MS = 86_400_000


def moments(seed: int, purpose: str, a_day: float) -> Iterator[int]:
    """Milliseconds since the beginning, so often a day on average, without end; none for 0 a day."""
    at_ms, number = 0, 0
    while a_day > 0:
        number += 1
        at_ms += max(1, round(-log(1 - share(seed, purpose, number)) * DAY_MS / a_day))
        yield at_ms
