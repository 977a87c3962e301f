"""`edge-client export`: the model as a plain .tflite file."""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import DEVICE

PROOF_SUFFIX = ".proof"


@click.command(short_help="Write a model as a plain .tflite file, with a proof.")
@DEVICE
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write; its proof goes beside it, as FILE.proof. Older ones are replaced.",
)
@click.option(
    "--round",
    "which",
    metavar="N|best",
    help="The model that round N started from, or the best one on the local hold-out; else the latest.",
)
def export(folder: Path, output: Path, which: str | None) -> None:
    """Write a model for inference, and the proof that it is what the validators agreed on.

    Works while the device runs, too, and needs no TFLite runtime.
    """
    from edge_client.adapters.device_disk import DeviceDisk
    from edge_client.config import read_config
    from edge_client.exporting import CannotExportError, choose, inference_file, proof_of
    from edge_client.litert.ir import ModelError
    from edge_client.proving import CannotProveError
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.files import replace, replace_by_pieces
    from edge_client.runtime.settings import SettingsError

    proof_file = output.with_name(output.name + PROOF_SUFFIX)
    try:
        chain_id = read_config(folder).chain.parsed().chain_id
        disk = DeviceDisk(folder, chain_id)
    except (SettingsError, DatabaseError) as error:
        fail(str(error))
    try:
        model = choose(disk, which)
        proof = proof_of(disk, model).encode()
        with inference_file(disk, model.root) as pieces:
            replace_by_pieces(output, pieces)
        replace(proof_file, proof)
    except (CannotExportError, CannotProveError, ModelError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot write {output}: {error.strerror}")
    finally:
        disk.close()
    click.echo(f"{output}: the model that round {model.round} starts from, final at height {model.height}")
    click.echo(f"check: edge-client verify-proof {output} {proof_file} --chain {chain_id.hex()}")
