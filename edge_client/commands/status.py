"""`edge-client status`: what the device knows and how it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import DEVICE, JSON

if TYPE_CHECKING:
    from edge_client.core.conditions.gates import Verdict

UPDATES_SHOWN = 10


@click.command(short_help="Show head, round, account, updates and refusals.")
@DEVICE
@JSON
def status(folder: Path, as_json: bool) -> None:
    """Show what the device has on disk and what its process last said; works while it runs and when not."""
    import json
    from dataclasses import asdict

    from edge_client.adapters.status_file import sleeping_words
    from edge_client.config import read_config
    from edge_client.gating import read_gates
    from edge_client.reading import read_status
    from edge_client.runtime.clock import SystemClock
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.keystore import KeyFileError
    from edge_client.runtime.settings import SettingsError

    try:
        config = read_config(folder)
        facts = read_status(folder, config)
        gates = read_gates(folder, config, SystemClock().now_ms())
    except (SettingsError, KeyFileError, DatabaseError) as error:
        fail(str(error))
    if as_json:
        click.echo(json.dumps({**facts, "gates": [asdict(gate) for gate in gates]}, indent=1))
    else:
        if facts["asleep"] is not None:
            facts["asleep"] = sleeping_words(facts["asleep"])
        _show({**facts, "gates": _closed(gates)})


def _closed(gates: tuple[Verdict, ...]) -> str:
    """The closed ones with their readings; `why` has all."""
    closed = [
        f"{gate.gate} closed ({gate.reading}, needs {gate.threshold})" for gate in gates if not gate.open
    ]
    return ", ".join(closed) or "all open"


def _show(facts: dict[str, Any]) -> None:
    updates = facts.pop("updates")
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        click.echo(f"{name.replace('_', ' '):<{width}}  {'-' if shown in ('', None) else shown}")
    if facts["phase"] == "need-checkpoint":
        click.echo(
            "asleep for longer than trust lasts, if the clock here is right (`date`);"
            " ask the operator for the head (`edge-broker status`),"
        )
        click.echo("then: edge-client trust HEIGHT:HASH --state FOLDER")
    if facts["clock_behind_the_chain"]:
        click.echo("the clock is behind the chain: headers are followed one by one until it is right")
    if facts["unanswered"]:
        click.echo(str(facts["unanswered"]))
    for update in updates[:UPDATES_SHOWN]:
        reason = f" ({update['reason']})" if update["reason"] else ""
        click.echo(f"update of round {update['round']}: {update['fate']}{reason}")
