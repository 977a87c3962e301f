"""`edge-client opt-in`: stand for election with the account that this device earned."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import DEVICE


@click.command("opt-in", short_help="Stand for a validator's seat with this device's account.")
@DEVICE
@click.argument("consent")
@click.option("--bond", type=click.IntRange(1, (1 << 63) - 1),
              help="Balance units to put at stake; the least the chain asks for unless told.")  # fmt: skip
def opt_in(folder: Path, consent: str, bond: int | None) -> None:
    """Ask for a seat that the validator key behind CONSENT would hold: the line that `edge-broker consent`
    prints where that validator runs. The bond is lost if that key ever signs a contradiction. The running
    device sends the wish until it stands on the chain; `status` says what became of it."""
    from edge_client.config import read_config
    from edge_client.protocol.errors import DecodeError
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.settings import SettingsError
    from edge_client.wishing import WishError, wish_in

    try:
        number, amount = wish_in(folder, read_config(folder), consent, bond)
    except (SettingsError, DatabaseError, WishError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot write into {folder}: {error.strerror}")
    except DecodeError as error:
        fail(f"this is no consent ({error.detail}); `edge-broker consent` prints one")
    click.echo(f"account {number} will stand for election with {amount} units at stake")
