"""`edge-broker voucher`: a join string that admits one device."""

from __future__ import annotations

from pathlib import Path

import click

from broker.commands.failing import fail


@click.command(short_help="Print a join string that admits one device (admission by token).")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.argument("number", type=click.IntRange(1, (1 << 32) - 1))
def voucher(folder: Path, number: int) -> None:
    """Print the join string of device NUMBER of the chain founded in FOLDER. Each NUMBER admits one device,
    once; who holds the line can register, so hand it over like a password."""
    from broker.founding import ChainFilesError
    from broker.vouchers import join_with_voucher
    from edge_client.protocol.join import JoinError
    from edge_client.runtime.keystore import KeyFileError

    try:
        click.echo(join_with_voucher(folder, number).text())
    except (ChainFilesError, KeyFileError, JoinError, OSError) as error:
        fail(str(error))
