"""`edge-client install-service`: the agent as a service of systemd."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import STATE


@click.command(short_help="Run the device as a systemd service, now and at each boot.")
@STATE
@click.option("--dry-run", is_flag=True, help="Show what would be written and run; change nothing.")
def install_service(folder: Path, dry_run: bool) -> None:
    """Write a hardened unit and start it. The state folder must be /var/lib/NAME; needs root.

    The key moves to /etc/NAME, where only root reads it; the service gets it from systemd.
    """
    from edge_client.config import read_config
    from edge_client.installing import install, run_command, start_commands
    from edge_client.runtime.settings import SettingsError
    from edge_client.service_unit import ServiceError, service_files, service_of

    try:
        service = service_of(folder)
        written = service_files(service, read_config(folder))
        if dry_run:
            for path, text in written.items():
                click.echo(f"# --- {path}\n{text}")
            click.echo(f"# --- moved: {service.state}/device.key to {service.key}")
            for command in start_commands(service):
                click.echo(f"# --- run: {' '.join(command)}")
            return
        install(service, written, run_command)
    except (ServiceError, SettingsError) as error:
        fail(str(error))
    except PermissionError as error:
        fail(f"cannot write {error.filename}: {error.strerror}; run it with sudo")
    click.echo(f"{service.unit.name} runs, now and at each boot")
    click.echo(f"next: systemctl status {service.name}; journalctl -u {service.name}")
