"""What a connection really carried, with TLS, the headers of TCP and IP and what was sent twice: the kernel
counts it (`TCP_INFO`, Linux since 4.19). Elsewhere nothing is known but payloads."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

from edge_client.runtime.transport import Traffic

HEADERS_BYTES = 52
"""IPv4, TCP and its time stamps, of every segment."""
BURST_GAP_MS = 12_000
"""Bytes after a longer silence begin a new burst: above the time any radio stays on."""
_INFO_BYTES = 208
_RECEIVED, _SEGMENTS, _SENT = 128, 136, 200
"""Offsets in `struct tcp_info`."""


def wire_bytes(connection: socket.socket) -> tuple[int, int] | None:
    """Up and down since it was opened; None where the kernel does not tell."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return None
    info = b""
    with suppress(OSError):
        info = connection.getsockopt(socket.IPPROTO_TCP, option, _INFO_BYTES)
    if len(info) < _INFO_BYTES:
        return None
    (received,) = struct.unpack_from("=Q", info, _RECEIVED)
    out, into = struct.unpack_from("=II", info, _SEGMENTS)
    (sent,) = struct.unpack_from("=Q", info, _SENT)
    return sent + HEADERS_BYTES * out, received + HEADERS_BYTES * into


class WireCount:
    """Adds what one connection after the other carries to `traffic`; for one thread at a time."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._seen = (0, 0)
        self._moved_ms: int | None = None

    def begin(self) -> None:
        """A new connection counts from zero."""
        self._seen = (0, 0)

    def look(self, now: tuple[int, int] | None, now_ms: int) -> None:
        """What the connection carried until now."""
        if now is None or now == self._seen:
            return
        if self._moved_ms is None or now_ms - self._moved_ms > BURST_GAP_MS:
            self._traffic.bursts += 1
        self._moved_ms = now_ms
        self._traffic.up_wire_bytes += now[0] - self._seen[0]
        self._traffic.down_wire_bytes += now[1] - self._seen[1]
        self._seen = now
