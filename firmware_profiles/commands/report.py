"""`edge-fleet report`: the page and the plots of a rehearsal, made again from its facts."""

from __future__ import annotations

from pathlib import Path

import click

from firmware_profiles.commands.failing import fail

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Make a page with plots from report.json.")
@click.argument("facts", type=FILE, metavar="REPORT.json")
@click.option("--output", "-o", type=FILE, help="The page; left out: report.html beside the facts.")
@click.option(
    "--png", type=click.Path(path_type=Path, file_okay=False), help="Also a PNG file of each plot, here."
)
@click.option("--open", "show", is_flag=True, help="Show the page in the browser.")
def report(facts: Path, output: Path | None, png: Path | None, show: bool) -> None:
    """Make one HTML page of a rehearsal, which loads nothing and can be sent to anyone."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        fail("matplotlib is not installed; run: pip install 'edge-client[fleet]'")
    from firmware_profiles.report.files import PAGE_NAME, read_record, write_page, write_plots
    from firmware_profiles.report.page import charts_of_run

    try:
        record = read_record(facts)
    except (OSError, ValueError) as error:
        fail(f"cannot read {facts} ({error}); give it the report.json of a rehearsal")
    page = output or facts.with_name(PAGE_NAME)
    try:
        write_page(record, page)
        if png is not None:
            write_plots(charts_of_run(record), png)
    except OSError as error:
        fail(f"cannot write {error.filename or page} ({error.strerror}); give it another place")
    click.echo(f"page: {page}")
    if show:
        click.launch(str(page))
