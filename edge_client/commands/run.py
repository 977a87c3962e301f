"""`edge-client run`: the agent."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import OWNER, UNREACHABLE, fail
from edge_client.commands.options import DEVICE


@click.command(short_help="Run the device until it is told to stop.")
@DEVICE
@click.option("--journal", is_flag=True, help="Write log lines for journald (systemd sets this).")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The device's key, instead of identity.key_file (a service's credential).",
)
@click.option(
    "--notify-socket",
    envvar="NOTIFY_SOCKET",
    show_envvar=True,
    default="",
    help="Where the service manager listens.",
)
@click.option(
    "--watchdog-us",
    envvar="WATCHDOG_USEC",
    show_envvar=True,
    type=click.IntRange(min=0),
    default=0,
    help="How soon it takes silence for a hang.",
)
def run(folder: Path, journal: bool, key_file: Path | None, notify_socket: str, watchdog_us: int) -> None:
    """Follow the chain, train when selected, send what was learned.

    Ctrl-C or SIGTERM stop it; kill -9 at any moment is safe.
    """
    from edge_client.runtime.allocator import spare_memory

    spare_memory()  # before what follows loads NumPy

    from dataclasses import replace
    from sqlite3 import OperationalError

    from edge_client.adapters.data.source import DataError
    from edge_client.config import IdentitySection, read_config
    from edge_client.litert.graph import RuntimeMissingError, require_runtime
    from edge_client.runtime import logs
    from edge_client.runtime.database import DatabaseDiskError, DatabaseError
    from edge_client.runtime.disk import disk_fault
    from edge_client.runtime.keystore import KeyFileError
    from edge_client.runtime.lock import AlreadyRunningError
    from edge_client.runtime.notifier import Notifier
    from edge_client.runtime.settings import SettingsError
    from edge_client.service import HaltedError, run_device

    logs.configure(journal=journal)
    try:
        config = read_config(folder)
        require_runtime()
        if key_file is not None:
            config = replace(config, identity=IdentitySection(key_file))
        run_device(folder, config, Notifier(notify_socket, watchdog_us))
    except DatabaseDiskError as error:
        fail(str(error), UNREACHABLE)
    except (SettingsError, KeyFileError, DatabaseError, DataError, AlreadyRunningError,
            RuntimeMissingError) as error:  # fmt: skip
        fail(str(error))
    except (OSError, OperationalError) as error:
        fault = disk_fault(error)
        if fault is None:
            raise
        fail(fault, UNREACHABLE)
    except HaltedError as error:
        fail(f"halted: {error}; the evidence is kept in {folder}, ask the chain's operator", OWNER)
