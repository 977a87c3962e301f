"""Numbers as a reader wants them: rounded, with their unit, never longer than needed."""

from __future__ import annotations

import unicodedata

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
NAME_CHARS_MAX = 48
"""Of a name that somebody else chose, in a plot or a table."""
LINE_CHARS_MAX = 400


def count(number: float) -> str:
    """`10,000`."""
    return f"{number:,.0f}"


def counted(number: int, one: str, many: str) -> str:
    """`1 board`, `10,000 boards`."""
    return f"{count(number)} {one if number == 1 else many}"


def decimal(number: float, digits: int = 2) -> str:
    """`0.93`; thousands are separated."""
    return f"{number:,.{digits}f}"


def short(number: float) -> str:
    """About three digits, whatever the size: `0.0123`, `4.57`, `12,300`."""
    size = abs(number)
    if size >= 100 or number == 0:
        return count(number)
    return f"{number:.3g}"


def percent(share: float) -> str:
    """`54 %`; small shares keep a digit, so that few are not shown as none."""
    value = 100 * share
    return f"{value:.1f} %" if 0 < value < 10 and value != round(value) else f"{value:.0f} %"


def duration(ms: float) -> str:
    """`820 ms`, `4.2 s`, `45 min`, `24 h`."""
    if ms < 1000:
        return f"{ms:.0f} ms"
    if ms < 2 * MINUTE_MS:
        return f"{_trimmed(ms / 1000)} s"
    if ms < 2 * HOUR_MS:
        return f"{_trimmed(ms / MINUTE_MS)} min"
    return f"{_trimmed(ms / HOUR_MS)} h"


def energy(joules: float) -> str:
    """`820 J`, `4.2 kJ`, `1.7 MJ`."""
    return _scaled(joules, "J", ("", "k", "M", "G"))


def size(number: float) -> str:
    """Bytes in powers of 1,000: `512 B`, `2.9 kB`, `1.7 GB`."""
    return _scaled(number, "B", ("", "k", "M", "G", "T"))


def name(text: str) -> str:
    """A name from a file, fit to be shown: on one line, without control characters, not too long."""
    return _plain(text, NAME_CHARS_MAX)


def line(text: str) -> str:
    """As `name`, for what has room for a whole line."""
    return _plain(text, LINE_CHARS_MAX)


def _plain(text: str, most: int) -> str:
    shown = "".join(one if unicodedata.category(one)[0] != "C" else " " for one in text).strip() or "?"
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _scaled(number: float, unit: str, prefixes: tuple[str, ...]) -> str:
    value, rest = number, list(prefixes)
    while abs(value) >= 1000 and len(rest) > 1:
        value, rest = value / 1000, rest[1:]
    return f"{_trimmed(value)} {rest[0]}{unit}"


def _trimmed(value: float) -> str:
    """A digit behind the point where it says something."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.1f}"
