"""How a command of `edge-fleet` ends when its user made a mistake: one sentence and exit code 2."""

from __future__ import annotations

from typing import NoReturn

import click

MISTAKE = 2


def fail(sentence: str) -> NoReturn:
    """Say what, where and how to mend it; end with `MISTAKE`."""
    click.echo(f"edge-fleet: {sentence}", err=True)
    raise SystemExit(MISTAKE)
