"""Facts from a file, and the page and the plots into files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edge_client.runtime.files import replace
from firmware_profiles.report.canvas import png, svg
from firmware_profiles.report.chart import Chart
from firmware_profiles.report.markup import Picture
from firmware_profiles.report.page import page_of_run
from firmware_profiles.report.record import RunRecord

PAGE_NAME = "report.html"
RECORD_NAME = "report.json"


def record_of(text: str) -> RunRecord:
    """What `RunRecord.to_json` wrote. Raises `ValueError` for anything else."""
    try:
        return RunRecord.from_json(text)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("its fields are not those of a report") from error


def write_report(record: RunRecord, folder: Path, picture: Picture = svg) -> Path:
    """Facts and page of a rehearsal into a folder, which is made, each whole or not at all; returns the page.
    Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / RECORD_NAME, record.to_json().encode())
    replace(folder / PAGE_NAME, page_of_run(record, picture).encode())
    return folder / PAGE_NAME


def write_plots(charts: Iterable[Chart], folder: Path) -> list[Path]:
    """A PNG file for each chart, named after it; makes the folder. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for chart in charts:
        paths.append(folder / f"{chart.name}.png")
        replace(paths[-1], png(chart))
    return paths
