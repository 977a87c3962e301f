"""`edge-fleet report`: page and plots of a rehearsal or a comparison, made again from its facts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from firmware_profiles.commands.failing import fail
from firmware_profiles.commands.keeping import drawing, need_plots, png_option
from firmware_profiles.commands.stopping import stoppable

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_profiles.report.chart import Chart
    from firmware_profiles.report.markup import Picture

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Make a page with plots from report.json or compare.json.")
@click.argument("facts", type=FILE, metavar="REPORT.json|COMPARE.json")
@click.option("--output", "-o", type=FILE, help="The page; left out: beside the facts.")
@png_option
@click.option("--open", "show", is_flag=True, help="Show the page in the browser.")
def report(facts: Path, output: Path | None, png: Path | None, show: bool) -> None:
    """Make one HTML page of a rehearsal or a comparison, which loads nothing and can be sent to anyone."""
    need_plots()
    with stoppable(lambda: "a page is written whole or not at all"):
        _make(facts, output, png, show)


def _make(facts: Path, output: Path | None, png: Path | None, show: bool) -> None:
    from edge_client.runtime.files import replace

    try:
        page_of, charts = _read(facts)
        with drawing(len(charts)) as picture:
            text = page_of(picture)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        fail(f"cannot read {facts} ({reason}); give it the report.json of a rehearsal, or a compare.json")
    from firmware_profiles.report.files import write_plots

    page = output or facts.with_suffix(".html")
    try:
        replace(page, text.encode())
        if png is not None:
            write_plots(charts, png)
    except OSError as error:
        fail(f"cannot write {error.filename or page} ({error.strerror}); give it another place")
    click.echo(f"page: {page}")
    if show:
        click.launch(str(page))


def _read(file: Path) -> tuple[Callable[[Picture], str], tuple[Chart, ...]]:
    """What makes the page, and its plots; raises `OSError`, and `ValueError` for anything else than facts."""
    data = file.read_text(encoding="utf-8")
    from firmware_profiles.compare import facts as comparison
    from firmware_profiles.compare.page import charts_of_comparison, page_of_comparison
    from firmware_profiles.report.files import record_of
    from firmware_profiles.report.page import charts_of_run, page_of_run

    if f'"{comparison.KIND}"' in data[:100]:
        compared = comparison.ComparedFacts.from_json(data)
        return partial(page_of_comparison, compared), charts_of_comparison(compared)
    record = record_of(data)
    return partial(page_of_run, record), charts_of_run(record)
