"""Wakes the one thread that waits for it; any thread may ring it, and so does every signal.

A lock cannot do that: Python runs a signal's handler between two steps of the main thread, and a signal that
comes after the last look and before the wait would be seen when the wait is over. Into this bell the system
itself writes (`signal.set_wakeup_fd`): the wait ends at once, and the handler runs.
"""

from __future__ import annotations

import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_DRAIN_BYTES = 4096


class Bell:
    """A pair of connected sockets: what is written into one wakes who waits for the other."""

    def __init__(self) -> None:
        self._hears, self._rings = socket.socketpair()
        for one in (self._hears, self._rings):
            one.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._hears, select.POLLIN)

    def ring(self) -> None:
        """End the wait, or the next one; from any thread or signal handler, never blocks."""
        with suppress(OSError):  # full: it rings already; closed: nobody waits any more
            self._rings.send(b"!")

    def wait(self, timeout_s: float) -> bool:
        """Return when it is rung, or has been since the last time; False after so long without that."""
        rung = bool(self._poll.poll(max(0.0, timeout_s) * 1000))
        if rung:
            self._hears.recv(_DRAIN_BYTES)
        return rung

    @contextmanager
    def rung_by_signals(self) -> Iterator[None]:
        """While inside, signals ring it. Only the main thread gets any: elsewhere this does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.set_wakeup_fd(self._rings.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)

    def close(self) -> None:
        """Give both ends back."""
        self._hears.close()
        self._rings.close()
