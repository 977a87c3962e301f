"""`edge-client init`: make a device."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from edge_client.commands.failing import fail


@click.command(short_help="Make a device: configuration and key.")
@click.option("--join", help="The line that `edge-broker init` printed.")
@click.option(
    "--state",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The device's folder: configuration, key and everything it keeps.",
)
@click.option("--data", help="Training data: npz:PATH, csv:PATH, folder:PATH or python:MODULE:CALLABLE.")
@click.option("--always", is_flag=True, help="Train whatever the board reads: it is there for nothing else.")
def init(join: str | None, folder: Path | None, data: str | None, always: bool) -> None:
    """Write `edge-client.toml` and a new key into the state folder. Nothing that exists is overwritten.

    What is not given is asked for when a person sits at the terminal.
    """
    from edge_client.adapters.data.parse import FORMS, parse_source
    from edge_client.adapters.device_database import create_databases
    from edge_client.config import device_toml
    from edge_client.device_folder import CONFIG_FILE, KEY_FILE
    from edge_client.protocol.join import JoinError, parse_join
    from edge_client.protocol.keys import Signer, node_id
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.files import make_folder, write_new
    from edge_client.runtime.keystore import KeyFileError, create_seed

    if join is None:
        join = _ask("--join", "Join string (from the chain's operator)", parse_join)
    folder = folder or Path(_ask("--state", "Folder of the device", _new_folder)).expanduser()
    data = data or _ask("--data", f"Training data ({FORMS})", lambda text: parse_source(text, Path.cwd()))
    try:
        chain = parse_join(join)
        source = parse_source(data, Path.cwd())
        make_folder(folder, 0o700)  # what is learned from the data is for their owner
        config = folder / CONFIG_FILE
        if config.exists():
            fail(f"{config} exists already and is never overwritten; choose another --state folder")
        text = device_toml(chain.text(), source.text, always=always)
        seed = create_seed(folder / KEY_FILE)
        # Readable by the owner only: the join string may hold a voucher.
        write_new(config, text.encode(), 0o600)
        create_databases(folder)
    except (DatabaseError, JoinError, KeyFileError, ValueError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot write into {folder}: {error.strerror}")
    click.echo(f"device {node_id(Signer(seed).public_key)} of chain {chain.chain_id.hex()[:16]}")
    if not source.there():
        click.echo(f"{source.text} is not there yet; the device trains once it is")
    click.echo(f"next: edge-client doctor --state {folder}, then edge-client run --state {folder}")


def _ask(option: str, question: str, check: Callable[[str], object]) -> str:
    """What the person at the terminal answers, once `check` takes it; fails when nobody is there."""
    if not sys.stdin.isatty():
        fail(f"{option} is missing; see: edge-client init --help")

    def checked(text: str) -> str:
        try:
            check(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        return text

    answer: str = click.prompt(question, value_proc=checked)
    return answer


def _new_folder(text: str) -> None:
    """Raises `ValueError` for one that holds a device already."""
    from edge_client.device_folder import CONFIG_FILE

    path = Path(text).expanduser()
    if (path / CONFIG_FILE).exists():
        raise ValueError(f"{path} holds a device already")
