"""Signals as a shell leaves them in the foreground."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from firmware_profiles.demo.processes import STOP_SIGNALS


@contextmanager
def usual_signals() -> Iterator[None]:
    """In the background a shell has Ctrl-C ignored, with nohup SIGHUP; what tests start would inherit it."""
    usual = {signal.SIGINT: signal.default_int_handler}
    before = {one: signal.signal(one, usual.get(one, signal.SIG_DFL)) for one in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
