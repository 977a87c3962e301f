"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

STATE = click.option(
    "--state",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The device's folder: configuration, key and everything it keeps.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")
