"""`edge-broker consent`: let this validator's key hold the seat of an account."""

from __future__ import annotations

from pathlib import Path

import click

from broker.commands.failing import fail


@click.command(short_help="Let this validator's key hold the seat of an account; prints one line.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.argument("account", type=click.IntRange(0, (1 << 20) - 1))
def consent(folder: Path, account: int) -> None:
    """Sign with the key of the validator in FOLDER that it may hold the seat of ACCOUNT (the number that
    `edge-client status` shows) and print the line for `edge-client opt-in`. The line is no secret: only the
    holder of that account can use it, and it is that account's bond that this key can lose."""
    from broker.commands.validator import CONFIG_FILE
    from broker.config import ValidatorConfig
    from broker.founding import ChainFiles, ChainFilesError
    from edge_client.protocol.consent import Consent
    from edge_client.protocol.keys import Signer
    from edge_client.runtime.keystore import KeyFileError, load_seed
    from edge_client.runtime.settings import SettingsError, read_settings

    try:
        config = read_settings(folder / CONFIG_FILE, ValidatorConfig).validator
        signer, chain_id = Signer(load_seed(config.key_file)), ChainFiles.read(config.chain_dir).chain_id
    except (SettingsError, ChainFilesError, KeyFileError) as error:
        fail(str(error))
    click.echo(Consent.by(signer, chain_id, account).text())
