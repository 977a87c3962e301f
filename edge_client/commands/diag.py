"""`edge-client diag`: a bundle for whoever helps, without secrets."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import DEVICE


@click.command(short_help="Write a bundle for whoever helps, without keys.")
@DEVICE
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), required=True,
              help="The .tar.gz to write; must not exist.")  # fmt: skip
def diag(folder: Path, target: Path) -> None:
    """Write versions, status, gates, history, sizes of files and the configuration. No keys, join strings,
    samples or models, no hook, no names of people's folders."""
    from edge_client.config import read_config
    from edge_client.diagnosis import write_diagnosis
    from edge_client.runtime.clock import SystemClock
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.keystore import KeyFileError
    from edge_client.runtime.settings import SettingsError

    try:
        names = write_diagnosis(target, folder, read_config(folder), SystemClock().now_ms())
    except (SettingsError, DatabaseError, KeyFileError) as error:
        fail(str(error))
    except FileExistsError:
        fail(f"{target} exists already and is never overwritten; choose another name")
    except OSError as error:
        fail(f"cannot write {target}: {error.strerror}")
    click.echo(f"{target}: {', '.join(names)}")
