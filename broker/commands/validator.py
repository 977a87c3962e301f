"""`edge-broker validator`: run one validator."""

from __future__ import annotations

from pathlib import Path

import click

from broker.commands.failing import CONTRADICTION, UNREACHABLE, fail

CONFIG_FILE = "validator.toml"


@click.command(short_help="Run one validator until it is told to stop.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--events", type=click.Path(path_type=Path, dir_okay=False),
              help="Also append every event as one JSON line to this file.")  # fmt: skip
@click.option("--rejoin", is_flag=True,
              help="The log of own votes is lost or old: follow, sign only where it is safe.")  # fmt: skip
@click.option("--journal", is_flag=True, help="Write log lines for journald (systemd sets this).")
@click.option("--observe", is_flag=True,
              help="Start although the key has no seat yet: follow the chain, sign nothing.")  # fmt: skip
def validator(folder: Path, events: Path | None, journal: bool, **how: bool) -> None:
    """Run the validator whose `validator.toml` is in FOLDER until Ctrl-C or SIGTERM; kill -9 is safe. A key
    without a seat follows the chain, signs nothing, and takes its seat when it wins one."""
    import json
    from sqlite3 import OperationalError

    from broker.config import ValidatorConfig
    from broker.core.consensus.log_entries import LogDamagedError
    from broker.core.guard import RestoredError
    from broker.founding import ChainFilesError
    from broker.service import DivergedError, StrangerError, Watch, Witnessed, run_validator
    from edge_client.protocol.machine import Note
    from edge_client.runtime import logs
    from edge_client.runtime.database import DatabaseDiskError, DatabaseError
    from edge_client.runtime.disk import disk_fault
    from edge_client.runtime.keystore import KeyFileError
    from edge_client.runtime.lock import AlreadyRunningError
    from edge_client.runtime.mqtt_options import ServerUrlError
    from edge_client.runtime.settings import SettingsError, read_settings

    logs.configure(journal=journal)
    try:
        sink = events.open("a", buffering=1, encoding="utf-8") if events else None
    except OSError as error:
        fail(f"cannot write the file of --events: {error}")

    def tell(one: Witnessed, now_ms: int) -> None:
        if sink is not None and isinstance(one, Note):
            sink.write(json.dumps({"event": one.event, "at_ms": now_ms, **one.fields}) + "\n")

    try:
        run_validator(read_settings(folder / CONFIG_FILE, ValidatorConfig), Watch(tell), **how)
    except DatabaseDiskError as error:
        fail(str(error), UNREACHABLE)
    except (SettingsError, KeyFileError, ChainFilesError, ServerUrlError, DatabaseError,
            AlreadyRunningError, StrangerError) as error:  # fmt: skip
        fail(str(error))
    except RestoredError as error:
        fail(f"this validator must not sign: {error}", CONTRADICTION)
    except LogDamagedError as error:
        fail(f"the log of this validator's votes is damaged, it must not sign again: {error}", CONTRADICTION)
    except (OSError, OperationalError) as error:
        fault = disk_fault(error)
        if fault is None:
            raise
        fail(fault, UNREACHABLE)
    except DivergedError as error:
        fail(f"this validator and the chain contradict each other, keep its folder: {error}", CONTRADICTION)
