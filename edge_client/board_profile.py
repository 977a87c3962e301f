"""A board profile of what `calibrate` measured, in the format of docs/FLEETS.md.

Only what was measured stands in it; everything else comes from the shipped profile it is based on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_client.calibrating import Outcome

CAN_BE_QUOTED = frozenset(" -_.,:;()/+'") | frozenset(map(chr, range(0x30, 0x3A)))


class ProfileNameError(Exception):
    """A name that TOML could not hold as it is; the text is one sentence for the owner."""


@dataclass(frozen=True, slots=True)
class Board:
    """What the profile is called, the shipped profile it is based on, and the day of the measurement."""

    title: str
    based_on: str
    day: str


def profile_toml(board: Board, outcomes: Mapping[str, Outcome]) -> str:
    """The file; `outcomes` by the names of the built-in models. Raises `ProfileNameError`."""
    for text in (board.title, board.based_on):
        if not text or not all(one.isalpha() or one in CAN_BE_QUOTED for one in text):
            raise ProfileNameError(
                f"'{text}' must be letters, digits and simple signs, to stand in a profile"
            )
    lines = [f'title = "{board.title}"', f'based_on = "{board.based_on}"', "", "[step]"]
    lines += [
        f"{name} = {_figure(one.times.median_ms, 'ms', _how(board, one))}" for name, one in outcomes.items()
    ]
    idle = [(one.power.idle_w, one) for one in outcomes.values() if one.power.idle_w is not None]
    if idle:
        watts, first = idle[0]
        lines += ["", "[power]", f"idle = {_figure(watts, 'W', _how(board, first))}"]
    return "\n".join(lines) + "\n"


def _figure(value: float, unit: str, how: str) -> str:
    return f'{{ value = {value:.4g}, unit = "{unit}", provenance = "measured", source = "{how}" }}'


def _how(board: Board, outcome: Outcome) -> str:
    """Conditions of the measurement, in a line."""
    times = outcome.times
    parts = [
        f"edge-client calibrate, {board.day}",
        f"{times.steps} steps",
        f"a tenth below {times.p10_ms:.4g} ms and above {times.p90_ms:.4g} ms",
        f"nice {outcome.nice}",
    ]
    if outcome.highest_c is not None:
        parts.append(f"{outcome.highest_c:.0f} °C")
    if outcome.throttled_after_s is not None:
        parts.append(f"throttled after {outcome.throttled_after_s:.0f} s")
    return ", ".join(parts)
