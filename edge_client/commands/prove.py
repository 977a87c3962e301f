"""`edge-client prove`: write what the device can show to others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import DEVICE

if TYPE_CHECKING:
    from edge_client.adapters.device_disk import DeviceDisk
    from edge_client.protocol.proofs import ProofFile

OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The proof file to write; an older one is replaced.",
)
CHECKPOINT = click.option(
    "--checkpoint",
    type=click.IntRange(min=1),
    metavar="HEIGHT",
    help="Also show the header of this height, for a reader who trusts that one.",
)


@click.group(short_help="Write a proof that anybody can check offline.")
def prove() -> None:
    """Write a proof of one fact, from what the device has stored, that `edge-client verify-proof` checks.

    Works while the device runs, too.
    """


@prove.command(short_help="An update of this device stands in a final block.")
@click.argument("root")
@DEVICE
@OUTPUT
@CHECKPOINT
def update(root: str, folder: Path, output: Path, checkpoint: int | None) -> None:
    """Prove that the update with this ROOT (64 hex digits, see `status --json`) was included."""
    from edge_client.proving import prove_update

    if len(root) != 64 or not set(root) <= set("0123456789abcdef"):
        fail(f"'{root[:20]}' is no update root: 64 hex digits, see `edge-client status --json`")
    _write(folder, output, lambda disk: prove_update(disk, bytes.fromhex(root), checkpoint))


@prove.command(short_help="This device's account: balance, contribution, last round.")
@DEVICE
@OUTPUT
@CHECKPOINT
def balance(folder: Path, output: Path, checkpoint: int | None) -> None:
    """Prove what the device's account held, as of the height shown by `status`."""
    from edge_client.proving import prove_balance

    _write(folder, output, lambda disk: prove_balance(disk, checkpoint))


@prove.command(short_help="The model that the head commits to.")
@DEVICE
@OUTPUT
@CHECKPOINT
def model(folder: Path, output: Path, checkpoint: int | None) -> None:
    """Prove which model is the latest final one that the device knows."""
    from edge_client.proving import prove_model

    _write(folder, output, lambda disk: prove_model(disk, checkpoint))


def _write(folder: Path, output: Path, make: Callable[[DeviceDisk], ProofFile]) -> None:
    from edge_client.adapters.device_disk import DeviceDisk
    from edge_client.config import read_config
    from edge_client.proving import CannotProveError
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.files import replace
    from edge_client.runtime.settings import SettingsError

    try:
        chain_id = read_config(folder).chain.parsed().chain_id
        disk = DeviceDisk(folder, chain_id)
    except (SettingsError, DatabaseError) as error:
        fail(str(error))
    try:
        data = make(disk).encode()
    except CannotProveError as error:
        fail(str(error))
    finally:
        disk.close()
    try:
        replace(output, data)
    except OSError as error:
        fail(f"cannot write {output}: {error.strerror}")
    click.echo(f"{output}: {len(data)} bytes")
    click.echo(f"check: edge-client verify-proof {output} --chain {chain_id.hex()}")
