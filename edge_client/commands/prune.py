"""`edge-client prune`: forget old headers."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import DEVICE

KEEP_MIN = 1024
"""What a running agent may still settle or measure lies within the latest of so many headers."""
KEEP = 10_000
"""About a megabyte."""


@click.command(short_help="Forget old headers; what this device can prove stays provable.")
@DEVICE
@click.option(
    "--keep",
    type=click.IntRange(min=KEEP_MIN),
    default=KEEP,
    show_default=True,
    metavar="N",
    help="How many of the latest headers stay.",
)
def prune(folder: Path, keep: int) -> None:
    """Check the stored chain, then drop all but its latest headers.

    What own proofs need stays: proofs of included updates with their headers, handoffs between validator
    sets, checkpoints. Works while the device runs, too.
    """
    from edge_client.adapters.device_disk import DeviceDisk
    from edge_client.adapters.trust_file import read_trusted
    from edge_client.config import read_config
    from edge_client.pruning import CannotPruneError
    from edge_client.pruning import prune as prune_disk
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.settings import SettingsError

    try:
        join = read_config(folder).chain.parsed()
        disk = DeviceDisk(folder, join.chain_id)
    except (SettingsError, DatabaseError) as error:
        fail(str(error))
    told = [one.height for one in (join.checkpoint, read_trusted(folder)) if one is not None]
    try:
        pruned = prune_disk(disk, keep, told)
    except CannotPruneError as error:
        fail(str(error))
    finally:
        disk.close()
    if pruned is None:
        click.echo(f"nothing to drop: no more than the latest {keep:,} headers and what is open are stored")
        return
    click.echo(f"{pruned.dropped:,} headers are dropped; those from {pruned.first:,} on are stored")
    click.echo(f"{len(pruned.shown)} older ones stay for proofs; the file's free space is used again")
