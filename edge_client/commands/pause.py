"""`edge-client pause`: no training for a while, whatever the board reads."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import DEVICE

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
DURATION_S_MAX = 10 * 365 * 86_400


@click.command(short_help="Train no more, for a time or until `resume`.")
@DEVICE
@click.argument("duration", required=False)
def pause(folder: Path, duration: str | None) -> None:
    """Train no more: for DURATION (like 90m, 2h, 3d), else until `edge-client resume`. Work under way stops
    within a second and is kept. Survives restarts."""
    from datetime import datetime

    from edge_client.adapters.conditions.pause_file import PauseFile
    from edge_client.core.conditions.readings import NEVER
    from edge_client.runtime.clock import SystemClock

    if duration is None:
        until_ms, words = NEVER, "until `edge-client resume`"
    else:
        until_ms = SystemClock().now_ms() + 1000 * _seconds(duration)
        words = f"until {datetime.fromtimestamp(until_ms / 1000).astimezone():%Y-%m-%d %H:%M:%S}"
    try:
        PauseFile(folder).write(until_ms)
    except OSError as error:
        fail(f"cannot write into {folder}: {error.strerror}")
    click.echo(f"paused {words}")


def _seconds(text: str) -> int:
    number, unit = text[:-1], UNITS_S.get(text[-1:])
    if unit is None or not (number.isascii() and number.isdecimal()):
        fail(f"'{text}' is no duration; write it like 90m, 2h or 3d")
    seconds = int(number[:12]) * unit
    if not 0 < seconds <= DURATION_S_MAX:
        fail(f"'{text}' is not between a second and ten years; leave it out to pause until `resume`")
    return seconds
