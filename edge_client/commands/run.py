"""`edge-client run`: the agent."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import OWNER, UNREACHABLE, fail
from edge_client.commands.options import STATE


@click.command(short_help="Run the device until it is told to stop.")
@STATE
@click.option("--journal", is_flag=True, help="Write log lines for journald (systemd sets this).")
def run(folder: Path, journal: bool) -> None:
    """Follow the chain, train when selected, send what was learned.

    Ctrl-C or SIGTERM stop it; kill -9 at any moment is safe.
    """
    from sqlite3 import OperationalError

    from edge_client.adapters.data.source import DataError
    from edge_client.config import read_config
    from edge_client.litert.graph import RuntimeMissingError, require_runtime
    from edge_client.runtime import logs
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.disk import disk_fault
    from edge_client.runtime.keystore import KeyFileError
    from edge_client.runtime.lock import AlreadyRunningError
    from edge_client.runtime.settings import SettingsError
    from edge_client.service import HaltedError, run_device

    logs.configure(journal=journal)
    try:
        config = read_config(folder)
        require_runtime()
        run_device(folder, config)
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
