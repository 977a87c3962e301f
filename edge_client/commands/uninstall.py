"""`edge-client uninstall`: takes the service away, and with it what the device knows, if told so."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import STATE


@click.command(short_help="Remove the systemd service; with --purge also state and key.")
@STATE
@click.option(
    "--purge", is_flag=True, help="Also delete the state and the key: the account is lost for ever."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def uninstall(folder: Path, purge: bool, yes: bool) -> None:
    """Stop the service and delete its unit. State and key stay, unless --purge is given."""
    import sys

    from edge_client import installing
    from edge_client.service_unit import ServiceError, service_of

    try:
        service = service_of(folder)
    except ServiceError:
        fail(
            f"{folder} is no service's: those are in /var/lib/NAME; to give up this device, and its account"
            f" for ever, stop it and run: rm -r {folder}"
        )
    try:
        doomed = installing.doomed(service) if purge else []
        if doomed and not yes:
            if not sys.stdin.isatty():
                fail("nobody is here to be asked, and nothing was deleted; --yes does it without asking")
            if not click.confirm(f"Delete {', '.join(map(str, doomed))} for ever?"):
                fail("nothing was deleted")
        installing.uninstall(service, installing.run_command, purge=purge)
    except ServiceError as error:
        fail(str(error))
    except PermissionError as error:
        fail(f"cannot delete {error.filename}: {error.strerror}; run it with sudo")
    kept = "" if purge else f"; kept: {service.state}, {service.key.parent}"
    click.echo(f"{service.unit.name} is gone{kept}")
