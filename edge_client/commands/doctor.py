"""`edge-client doctor`: is everything there that the device needs?"""

from __future__ import annotations

from pathlib import Path

import click

from edge_client.commands.failing import MISTAKE, UNREACHABLE
from edge_client.commands.options import JSON, STATE


@click.command(short_help="Check the board, runtime, key, data, folder, clock and servers.")
@STATE
@JSON
def doctor(folder: Path, as_json: bool) -> None:
    """Check everything the device needs, and say how to mend what is missing.

    Ends with 0 when it can work (also with warnings), 3 when only servers cannot be reached, 2 otherwise.
    """
    import json
    from dataclasses import asdict

    from edge_client.checkup import checkup
    from edge_client.server_checkup import SERVERS

    findings = checkup(folder)
    if as_json:
        shown = [asdict(one) for one in findings]
        click.echo(json.dumps({"good": all(one.good for one in findings), "checks": shown}, indent=1))
    else:
        for one in findings:
            verdict = "FAIL" if not one.good else "warn" if one.mend else "ok"
            click.echo(f"{verdict:<4}  {one.check:<8} {one.detail}")
            if one.mend:
                click.echo(f"{'':<15}mend it: {one.mend}")
    bad = {one.check for one in findings if not one.good}
    if bad:
        raise SystemExit(UNREACHABLE if bad == {SERVERS} else MISTAKE)
