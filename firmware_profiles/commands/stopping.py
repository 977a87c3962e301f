"""How a command of `edge-fleet` is stopped: Ctrl-C, SIGTERM and SIGHUP all end it with a sentence and 130."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

STOPPED = 130


@contextmanager
def stoppable(left: Callable[[], str]) -> Iterator[None]:
    """Inside, a signal that asks to end raises `KeyboardInterrupt`; `left` says what is there of the work."""
    before = {one: signal.signal(one, signal.default_int_handler) for one in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\nedge-fleet: stopped; {left()}", err=True)
        raise SystemExit(STOPPED) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
