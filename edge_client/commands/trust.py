"""`edge-client trust`: the owner vouches for a header."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import OWNER, fail
from edge_client.commands.options import DEVICE


@click.command(short_help="Vouch for a header, after a sleep longer than the trusting period.")
@click.argument("header", metavar="HEIGHT:HASH")
@DEVICE
def trust(header: str, folder: Path) -> None:
    """Vouch for the header HEIGHT:HASH, as somebody you trust sees it today: `edge-broker status` shows it.

    A device whose last verified header is older than the trusting period goes on from there, once a later
    header follows it. Works offline, whether the device runs or not.
    """
    from edge_client.adapters.device_disk import DeviceDisk
    from edge_client.adapters.trust_file import write_trusted
    from edge_client.config import read_config
    from edge_client.protocol.join import JoinError, parse_checkpoint
    from edge_client.reading import header_hash_at
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.settings import SettingsError

    try:
        checkpoint = parse_checkpoint(header)
    except JoinError:
        fail("say HEIGHT:HASH, the hash of a header in 64 hex digits")
    try:
        disk = DeviceDisk(folder, read_config(folder).chain.parsed().chain_id)
    except (SettingsError, DatabaseError) as error:
        fail(str(error))
    try:
        known = header_hash_at(disk, checkpoint.height)
        tip = disk.chain.tip()
    finally:
        disk.close()
    if known is not None and known != checkpoint.header_hash:
        fail(
            f"this device has verified another header of height {checkpoint.height}: {known.hex()}; "
            "one of the two is not of this chain, nothing was changed",
            OWNER,
        )
    try:
        write_trusted(folder, checkpoint)
    except OSError as error:
        fail(f"cannot write to {folder}: {error.strerror}")
    if tip is not None and checkpoint.height <= tip.height:
        click.echo(f"nothing new: this device has verified headers up to height {tip.height}")
        return
    click.echo(f"header {checkpoint.height} is vouched for; the device goes on from there if it has to")
