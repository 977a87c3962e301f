"""`edge-broker status`: what a validator knows and how it is."""

from __future__ import annotations

from pathlib import Path

import click

from broker.commands.failing import fail


@click.command(short_help="Show head, round, accounts and refusals of a validator.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")
def status(folder: Path, as_json: bool) -> None:
    """Show what the validator in FOLDER has on disk; works while it runs and when it does not."""
    import json

    from broker.commands.validator import CONFIG_FILE
    from broker.config import ValidatorConfig
    from broker.founding import ChainFilesError
    from broker.reading import read_status
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.settings import SettingsError, read_settings

    try:
        facts = read_status(read_settings(folder / CONFIG_FILE, ValidatorConfig))
    except (SettingsError, ChainFilesError, DatabaseError) as error:
        fail(str(error))
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        click.echo(f"{name.replace('_', ' '):<{width}}  {'-' if shown in ('', None, []) else shown}")
