"""`edge-broker key`: a validator's key, made where it will stay."""

from __future__ import annotations

from pathlib import Path

import click

from broker.commands.failing import fail


@click.command(short_help="Make a validator's key on its own machine; print the public half.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def key(file: Path) -> None:
    """Make a new key in FILE (only its owner can read it) and print the public key, which the founder of a
    chain gives to `edge-broker init --validator-key`. The secret never has to leave this machine."""
    from edge_client.protocol.keys import Signer, node_id
    from edge_client.runtime.keystore import KeyFileError, create_seed

    try:
        public_key = Signer(create_seed(file)).public_key
    except KeyFileError as error:
        fail(str(error))
    click.echo(f"{public_key.hex()}   (node id {node_id(public_key)})")
