"""Options that several commands share."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from edge_client.commands.failing import fail


def _of_a_device(context: click.Context, _option: click.Parameter, folder: Path) -> Path:
    """Told before a command loads what it needs: on a small board that takes seconds."""
    from edge_client.device_folder import CONFIG_FILE
    from edge_client.runtime.settings import missing

    if not context.resilient_parsing:
        try:
            (folder / CONFIG_FILE).stat()
        except FileNotFoundError:
            fail(str(missing(folder / CONFIG_FILE)))
        except OSError:
            pass  # who reads it says why it cannot be read
    return folder


_FOLDER = partial(
    click.option,
    "--state",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The device's folder: configuration, key and everything it keeps.",
)
STATE = _FOLDER()
"""Of a device, or of one that may not be there yet."""
DEVICE = _FOLDER(callback=_of_a_device)
"""Of a device that was made."""
JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")
