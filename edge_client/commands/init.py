"""`edge-client init`: make a device."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import STATE


@click.command(short_help="Make a device: configuration and key.")
@click.option("--join", required=True, help="The line that `edge-broker init` printed.")
@STATE
@click.option(
    "--data",
    required=True,
    help="Training data: npz:PATH, csv:PATH, folder:PATH or python:MODULE:CALLABLE.",
)
@click.option("--always", is_flag=True, help="Train whatever the board reads: it is there for nothing else.")
def init(join: str, folder: Path, data: str, always: bool) -> None:
    """Write `edge-client.toml` and a new key into the state folder. Nothing that exists is overwritten."""
    from edge_client.adapters.data.parse import parse_source
    from edge_client.config import CONFIG_FILE, KEY_FILE, device_toml
    from edge_client.protocol.join import JoinError, parse_join
    from edge_client.protocol.keys import Signer, node_id
    from edge_client.runtime.files import write_new
    from edge_client.runtime.keystore import KeyFileError, create_seed

    try:
        chain = parse_join(join)
        source = parse_source(data, Path.cwd())
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / CONFIG_FILE
        if config.exists():
            fail(f"{config} exists already and is never overwritten; choose another --state folder")
        seed = create_seed(folder / KEY_FILE)
        # Readable by the owner only: the join string may hold a voucher.
        write_new(config, device_toml(chain.text(), source.text, always=always).encode(), 0o600)
    except (JoinError, KeyFileError, ValueError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot write into {folder}: {error.strerror}")
    click.echo(f"device {node_id(Signer(seed).public_key)} of chain {chain.chain_id.hex()[:16]}")
    click.echo(f"next: edge-client run --state {folder}")
