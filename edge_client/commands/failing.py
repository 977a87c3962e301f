"""How a command ends when something is wrong: one sentence on standard error and an exit code."""

from __future__ import annotations

from typing import NoReturn

import click

MISTAKE, UNREACHABLE, OWNER = 2, 3, 4
"""See the table in `edge_client/cli.py`."""


def fail(sentence: str, code: int = MISTAKE) -> NoReturn:
    """Say what, where and how to mend it; end with `code`."""
    click.echo(f"edge-client: {sentence}", err=True)
    raise SystemExit(code)
