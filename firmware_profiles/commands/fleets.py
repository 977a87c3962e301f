"""`edge-fleet fleets`: the fleets that can be rehearsed."""

from __future__ import annotations

from pathlib import Path

import click

from firmware_profiles.commands.failing import fail
from firmware_profiles.profiles.fleet import DEVICES_MAX

EPILOG = """\b
Examples:
  edge-fleet fleets                           names and sizes
  edge-fleet fleets home                      its groups, patterns and faults, with sources
  edge-fleet fleets home --devices 10000      the same mix, larger
  edge-fleet fleets home --copy mine.toml     its file, to change it
  edge-fleet fleets ./mine.toml               your own: looks whether it can be rehearsed
"""


@click.command(epilog=EPILOG, short_help="Show the fleets that can be rehearsed.")
@click.argument("fleet", required=False, metavar="[NAME|FILE.toml]")
@click.option("--devices", type=click.IntRange(1, DEVICES_MAX), help="The same mix with so many devices.")
@click.option("--copy", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.toml",
              help="Write the fleet's file here, to begin your own with; never over a file.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def fleets(fleet: str | None, devices: int | None, copy: Path | None, as_json: bool) -> None:
    """Show fleets: which boards, how they are fed and reached, what their owners allow, what goes wrong.
    Reading one also checks it. The format is described in docs/FLEETS.md.
    """
    import json

    from firmware_profiles import listing
    from firmware_profiles.catalogue import read_catalogue
    from firmware_profiles.profiles.tables import ProfileError

    try:
        catalogue = read_catalogue()
        found = catalogue.fleets() if fleet is None else {fleet: catalogue.fleet(fleet)}
    except ProfileError as error:
        fail(str(error))
    if copy is not None:
        _copy(fleet, copy)
        return
    if devices is not None:
        found = {name: one.resized(devices) for name, one in found.items()}
    if as_json:
        shown = found if fleet is None else found[fleet]
        click.echo(json.dumps(listing.plain(shown), indent=1, ensure_ascii=False))
    else:
        lines = listing.fleet_names(found) if fleet is None else listing.fleet_lines(found[fleet])
        click.echo("\n".join(lines))


def _copy(fleet: str | None, target: Path) -> None:
    from edge_client.runtime.files import write_new
    from firmware_profiles.catalogue import fleet_file

    if fleet is None:
        fail(f"--copy {target}: of which fleet? Name one, such as home")
    try:
        write_new(target, fleet_file(fleet).read_bytes())
    except OSError as error:
        fail(f"cannot write {target} ({error.strerror}); --copy takes a new file")
    click.echo(f"{target}: change it, then: edge-fleet simulate {target}")
