"""What a process tells the service manager that started it: the notify protocol of systemd, sd_notify(3).

One datagram of `KEY=value` lines to a Unix socket. Nobody answers, and nothing here may disturb the program:
a message that cannot be sent is lost. Without a service manager every call does nothing.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress

START_S_MAX = 600
"""Opening a large database on a slow card may take this long before the loop runs."""
STOP_S_MAX = 25
"""Writing down what is known and waiting for the threads takes less than this."""
STATUS_CHARS_MAX = 200


class Notifier:
    """The process's side of the protocol. `address` and `watchdog_us` are what the manager put into
    NOTIFY_SOCKET and WATCHDOG_USEC; a leading `@` of the address stands for the abstract namespace."""

    def __init__(self, address: str = "", watchdog_us: int = 0) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._beat_s = watchdog_us / 2_000_000
        self._beaten_s: float | None = None

    @property
    def look_ms_max(self) -> int | None:
        """How long the loop may sleep between two calls of `alive`; None when nobody watches."""
        return max(1, int(self._beat_s * 500)) if self._address and self._beat_s else None

    def starting(self) -> None:
        """Before the stores are opened: a slow start is no failed start."""
        self._send(f"STATUS=starting\nEXTEND_TIMEOUT_USEC={START_S_MAX * 1_000_000}")

    def alive(self) -> None:
        """One turn of the event loop, and nothing else calls this: READY at the first, then WATCHDOG at half
        of the interval. A loop that hangs is heard of no more."""
        now_s = time.monotonic()
        if self._beaten_s is None:
            self._send("READY=1\nWATCHDOG=1")
        elif not self._beat_s or now_s - self._beaten_s < self._beat_s:
            return
        else:
            self._send("WATCHDOG=1")
        self._beaten_s = now_s

    def status(self, text: str) -> None:
        """One line that `systemctl status` shows."""
        self._send(f"STATUS={' '.join(text.split())[:STATUS_CHARS_MAX]}")

    def stopping(self) -> None:
        """The loop has ended; what is left is to write down and to wait for the threads."""
        self._send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={STOP_S_MAX * 1_000_000}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.setblocking(False)
            link.sendto(text.encode(), self._address)
