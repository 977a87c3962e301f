"""`edge-client data`: is what the device learns from what its owner believes it is?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import DEVICE, JSON

if TYPE_CHECKING:
    from edge_client.config import DeviceConfig
    from edge_client.protocol.manifest import Manifest


@click.group(short_help="Look at the data the device learns from.")
def data() -> None:
    """Look at the data the device learns from."""


@data.command(short_help="Count samples, labels and rejects, and check them against the model.")
@DEVICE
@click.option(
    "--graph",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Check against this training graph; needed only before the device has joined its chain.",
)
@JSON
def check(folder: Path, graph: Path | None, as_json: bool) -> None:
    """Read the data as the next round would, and show what is used, held out and left out.

    Works while the device runs, too. Ends with 2 when the data cannot be used.
    """
    import json

    from edge_client.adapters.data.own_data import describe
    from edge_client.adapters.data.source import DataError
    from edge_client.config import read_config
    from edge_client.litert.ir import ModelError
    from edge_client.protocol.errors import DecodeError
    from edge_client.runtime.clock import SystemClock
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.settings import SettingsError

    try:
        config = read_config(folder)
        manifest = _of_chain(folder, config) if graph is None else _of_graph(graph)
        loaded = config.own_data(folder).load(manifest, SystemClock().now_ms())
    except (SettingsError, DatabaseError, DataError) as error:
        fail(str(error))
    except (ModelError, DecodeError) as error:
        fail(f"{graph}: {error}")
    except OSError as error:
        fail(f"cannot read {error.filename}: {error.strerror}")
    facts = {"source": config.own_data(folder).source.text, **describe(loaded, manifest, config.data.classes)}
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        _show(facts)


def _of_chain(folder: Path, config: DeviceConfig) -> Manifest:
    from edge_client.adapters.device_disk import DeviceDisk

    disk = DeviceDisk(folder, config.chain.parsed().chain_id)
    try:
        genesis = disk.genesis()
    finally:
        disk.close()
    if genesis is None:
        fail("the chain's model is not known here yet: run the device once, or give its graph (--graph)")
    return genesis.manifest


def _of_graph(path: Path) -> Manifest:
    from edge_client.litert.metadata import MANIFEST_KEY, read_metadata
    from edge_client.protocol.manifest import Manifest

    return Manifest.decode(read_metadata(path.read_bytes(), MANIFEST_KEY))


def _show(facts: dict[str, Any]) -> None:
    click.echo(f"{facts['source']}")
    click.echo(f"{facts['samples']} samples: {facts['training']} to train on, {facts['hold_out']} held out")
    shape = " x ".join(map(str, facts["shape"])) or "1"
    click.echo(f"each {shape} of {facts['type']}, {facts['memory_bytes']:,} bytes in memory")
    click.echo(f"the model sees values from {facts['lowest']:.4g} to {facts['highest']:.4g}")
    labels = facts.get("labels", {})
    most = max(labels.values(), default=1)
    width = max((len(name) for name in labels), default=0)
    for name, count in labels.items():
        click.echo(f"  {name:<{width}}  {count:>8}  {'#' * round(40 * count / most)}")
    click.echo(f"{facts['rejected']} left out")
    for reject in facts["rejects"]:
        click.echo(f"  {reject['count']:>8}  {reject['reason']}: {', '.join(reject['examples'])}")
