"""`edge-client resume`: the end of a `pause`."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import DEVICE


@click.command(short_help="End a `pause`.")
@DEVICE
def resume(folder: Path) -> None:
    """Train again, as soon as every gate is open."""
    from edge_client.adapters.conditions.pause_file import PauseFile

    try:
        was_paused = PauseFile(folder).clear()
    except OSError as error:
        fail(f"cannot write into {folder}: {error.strerror}")
    click.echo("resumed" if was_paused else "it was not paused")
