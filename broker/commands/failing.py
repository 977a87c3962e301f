"""How a command ends when something is wrong: one sentence on standard error and an exit code."""

from __future__ import annotations

from typing import NoReturn

import click

MISTAKE, UNREACHABLE, CONTRADICTION = 2, 3, 4


def fail(sentence: str, code: int = MISTAKE) -> NoReturn:
    """Say what, where and how to mend it; end with `code`."""
    click.echo(f"edge-broker: {sentence}", err=True)
    raise SystemExit(code)
