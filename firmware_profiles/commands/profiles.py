"""`edge-fleet profiles`: what is known of boards, links and batteries, and how well."""

from __future__ import annotations

import click

from firmware_profiles.commands.failing import fail

EPILOG = """\b
Provenance, most trustworthy first:
  measured    by us, on the thing itself      published   read in the source it names
  recalled    the source is known to say so   estimated   derived or chosen by us

\b
Examples:
  edge-fleet profiles                              all boards, links and batteries
  edge-fleet profiles --board raspberry-pi-4b      every figure with its source
  edge-fleet profiles --board ./my-board.toml      one that `edge-client calibrate --profile` wrote
"""


@click.command(epilog=EPILOG, short_help="Show what is known of boards, links and batteries.")
@click.option("--board", "name", metavar="NAME|FILE.toml", help="One board, with the source of every figure.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def profiles(name: str | None, as_json: bool) -> None:
    """Show the profiles that `edge-fleet` rehearses fleets with. Every figure says where it comes from; where
    sources disagree, it is a range, and the twin computes with its middle. How to write one: docs/FLEETS.md.
    """
    import json

    from firmware_profiles import listing
    from firmware_profiles.catalogue import read_catalogue
    from firmware_profiles.profiles.tables import ProfileError

    try:
        catalogue = read_catalogue()
        board = None if name is None else catalogue.board(name)
    except ProfileError as error:
        fail(str(error))
    if as_json:
        shown = listing.plain(catalogue if board is None else board)
        click.echo(json.dumps(shown, indent=1, ensure_ascii=False))
    else:
        lines = listing.catalogue_lines(catalogue) if board is None else listing.board_lines(board, catalogue)
        click.echo("\n".join(lines))
