"""`edge-client resume`: the end of a `pause`."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import STATE


@click.command(short_help="End a `pause`.")
@STATE
def resume(folder: Path) -> None:
    """Train again, as soon as every gate is open."""
    from edge_client.adapters.conditions.pause_file import PauseFile
    from edge_client.config import CONFIG_FILE

    if not (folder / CONFIG_FILE).is_file():
        fail(f"there is no device in {folder}; `init` makes one")
    try:
        was_paused = PauseFile(folder).clear()
    except OSError as error:
        fail(f"cannot write into {folder}: {error.strerror}")
    click.echo("resumed" if was_paused else "it was not paused")
