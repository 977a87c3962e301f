"""`edge-broker admit`: rights on the MQTT server for a validator that comes later."""

from __future__ import annotations

from pathlib import Path

import click

from broker.commands.failing import fail


@click.command(short_help="Let a later validator use the MQTT server.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.argument("node_id")
def admit(folder: Path, node_id: str) -> None:
    """Give NODE_ID the topics of a validator in the access list in FOLDER, the `mqtt/` that `init` made.

    Do it before that validator starts: it gets no seat by this, but without it its messages stay with the
    server. The server takes the list when it is told to reload."""
    from broker.mqtt_server.admission import AdmissionError
    from broker.mqtt_server.admission import admit as add

    try:
        is_new = add(folder, node_id)
    except AdmissionError as error:
        fail(str(error))
    if is_new:
        click.echo(f"{node_id} is in the list; now: systemctl reload mosquitto   (or kill -HUP its process)")
    else:
        click.echo(f"{node_id} was in the list already")
