"""What the commands that end with a page have in common: they see beforehand that it can be made and kept,
and say with which command it was made."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from click.core import ParameterSource

from firmware_profiles.commands.failing import fail

if TYPE_CHECKING:
    from firmware_profiles.report.chart import Chart
    from firmware_profiles.report.markup import Picture
    from firmware_profiles.report.record import RunRecord

PROGRAM = "edge-fleet"
NOT_TOLD = frozenset({"out", "as_json", "from_ms", "processes", "png"})
"""Options that change nothing in the result; places on a disk are nobody's business who reads the page."""


def need_plots() -> None:
    """End with a mistake if what draws is missing: better before the work than after it."""
    if find_spec("matplotlib") is None:
        fail("matplotlib is not installed; run: pip install 'edge-client[fleet]'")


def ready_folder(folder: Path) -> None:
    """Make the folder, or end with a mistake, before work begins whose result would have no place."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        cannot_write(folder, error)
    if not os.access(folder, os.W_OK | os.X_OK):
        fail(f"cannot write into {folder}; give it a folder of your own")


def cannot_write(place: Path, error: OSError) -> NoReturn:
    """Say where and why, and end."""
    fail(f"cannot write {error.filename or place} ({error.strerror}); give it another place")


png_option = click.option(
    "--png", type=click.Path(path_type=Path, file_okay=False), help="Also a PNG file of each plot, here."
)


def keep(record: RunRecord, folder: Path, png: Path | None, said: str) -> None:
    """Say the result of a rehearsal, then write it: a disk that is full by now must not take both."""
    from firmware_profiles.report.files import write_plots, write_report
    from firmware_profiles.report.page import charts_of_run

    click.echo(said)
    charts = charts_of_run(record)
    try:
        with drawing(len(charts)) as picture:
            page = write_report(record, folder, picture)
        if png is not None:
            write_plots(charts, png)
    except OSError as error:
        cannot_write(folder, error)
    click.echo(f"look at it: {page}", err=True)


@contextmanager
def drawing(number: int) -> Iterator[Picture]:
    """Draws so many plots into a page, with progress and the time left; the dozen takes some seconds."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from firmware_profiles.report.canvas import svg

    columns = (TextColumn("plots"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=number)

        def draw(chart: Chart) -> str:
            text = svg(chart)
            progress.advance(task)
            return text

        yield draw


def command_line() -> str:
    """The command that makes the same result: name, arguments and the options that were given and matter."""
    context = click.get_current_context()
    words = [PROGRAM, context.command.name or ""]
    for one in context.command.params:
        name, value = one.name or "", context.params.get(one.name or "")
        if name in NOT_TOLD or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        words += [str(value)] if isinstance(one, click.Argument) else _option(one, value)
    return shlex.join(words)


def _option(one: click.Parameter, value: object) -> list[str]:
    flag = max(one.opts, key=len)
    if isinstance(value, bool):
        return [flag] if value else []
    values = value if isinstance(value, tuple) else (value,)
    return [word for each in values for word in (flag, f"{each:g}" if isinstance(each, float) else str(each))]
