"""How a command of `edge-fleet` is stopped: Ctrl-C, SIGTERM and SIGHUP all end it with a sentence and 130."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

from firmware_profiles.demo.processes import STOP_SIGNALS

STOPPED = 130


@contextmanager
def stoppable(left: Callable[[], str]) -> Iterator[None]:
    """Inside, the first signal that asks to end raises `KeyboardInterrupt`; `left` says what is there of the
    work. Later ones do nothing until the process is gone: one that interrupts the ending would leave
    something running, and change the exit code."""
    told = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            raise KeyboardInterrupt

    heard = [one for one in STOP_SIGNALS if signal.getsignal(one) != signal.SIG_IGN]
    afterwards = {one: signal.signal(one, stop) for one in heard}
    try:
        yield
    except KeyboardInterrupt:
        afterwards = dict.fromkeys(heard, signal.SIG_IGN)
        click.echo(f"\nedge-fleet: stopped; {left()}", err=True)
        raise SystemExit(STOPPED) from None
    finally:
        for number, handler in afterwards.items():
            signal.signal(number, handler)
