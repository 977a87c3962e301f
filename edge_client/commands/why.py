"""`edge-client why`: what each gate between the board and the work says."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import DEVICE, JSON


@click.command(short_help="Say why the board trains or does not: one line for each gate.")
@DEVICE
@JSON
def why(folder: Path, as_json: bool) -> None:
    """Read the board now and ask every gate: reading, threshold, verdict, and when it will open if known.
    All must be open. Works while the device runs and when not."""
    import json
    from dataclasses import asdict
    from datetime import datetime

    from edge_client.adapters.status_file import sleeping_words
    from edge_client.config import read_config
    from edge_client.gating import agent_word, read_gates, read_plan
    from edge_client.runtime.clock import SystemClock
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.settings import SettingsError

    try:
        found = read_gates(folder, read_config(folder), SystemClock().now_ms())
    except (SettingsError, DatabaseError) as error:
        fail(str(error))
    if as_json:
        click.echo(json.dumps([asdict(verdict) for verdict in found], indent=1))
        return
    for verdict in found:
        forecast = ""
        if verdict.forecast_ms is not None:
            opens = datetime.fromtimestamp(verdict.forecast_ms / 1000).astimezone()
            forecast = f"; opens {opens:%Y-%m-%d %H:%M}"
        state = "open  " if verdict.open else "CLOSED"
        click.echo(f"{verdict.gate:<12} {state} {verdict.reading} ({verdict.threshold}){forecast}")
    word = agent_word(folder)
    if word is not None:
        click.echo(f"the agent says: {word}")
    closed = [verdict.gate for verdict in found if not verdict.open]
    plan = read_plan(folder)
    if plan is not None:
        click.echo(sleeping_words(plan))
    click.echo(f"no training now: {', '.join(closed)}" if closed else "the board may train")
