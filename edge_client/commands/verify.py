"""`edge-client verify`: prove the stored chain again."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import OWNER, fail
from edge_client.commands.options import JSON, STATE


@click.command(short_help="Check the stored chain from genesis to the head again.")
@STATE
@JSON
def verify(folder: Path, as_json: bool) -> None:
    """Check every stored header, the roots of the head and its certificate, offline, and say what is proven.

    Works while the device runs, too.
    """
    import json

    from edge_client.adapters.device_disk import DeviceDisk
    from edge_client.config import read_config
    from edge_client.core.verify import Invalid
    from edge_client.reading import verify_disk
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.settings import SettingsError

    try:
        disk = DeviceDisk(folder, read_config(folder).chain.parsed().chain_id)
    except (SettingsError, DatabaseError) as error:
        fail(str(error))
    try:
        proven = verify_disk(disk)
    finally:
        disk.close()
    if proven is None:
        fail("nothing is stored yet; run the device first")
    if isinstance(proven, Invalid):
        fail(f"the stored chain does not hold: {proven.reason.value}, {proven.detail}", OWNER)
    facts = {
        "linked_height": proven.linked_height,
        "final_height": proven.final_height,
        "signatures": proven.signatures,
    }
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    click.echo(f"headers 1 to {proven.linked_height} are linked to genesis without a gap")
    click.echo(f"height {proven.final_height} is final: {proven.signatures} validators signed it,")
    click.echo("and it commits to the stored model, accounts, rules and round")
