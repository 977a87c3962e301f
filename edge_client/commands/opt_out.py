"""`edge-client opt-out`: give up the candidacy, and the seat with the next election."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import DEVICE


@click.command("opt-out", short_help="Give up this account's candidacy and seat.")
@DEVICE
def opt_out(folder: Path) -> None:
    """Leave: the seat goes with the next election, and the bond comes back once the unbonding time is over.
    Keep the validator running until the seat is gone. The running device sends the wish."""
    from edge_client.config import read_config
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.settings import SettingsError
    from edge_client.wishing import WishError, wish_out

    try:
        number = wish_out(folder, read_config(folder))
    except (SettingsError, DatabaseError, WishError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot write into {folder}: {error.strerror}")
    click.echo(f"account {number} will leave")
