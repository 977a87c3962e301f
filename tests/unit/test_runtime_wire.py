"""What a connection carried, by the kernel's count; bursts are told apart by silence."""

from __future__ import annotations

import socket
import sys

import pytest

from edge_client.runtime.transport import Traffic
from edge_client.runtime.wire import BURST_GAP_MS, HEADERS_BYTES, WireCount, wire_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")
def test_the_kernel_counts_bytes_and_segments() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        before = wire_bytes(client)
        assert before is not None
        client.sendall(b"x" * 1000)
        left = 1000
        while left:
            left -= len(peer.recv(left))
        peer.sendall(b"y" * 10)
        assert client.recv(10) == b"y" * 10
        after = wire_bytes(client)
        assert after is not None
        up, down = after[0] - before[0], after[1] - before[1]
        assert 1000 + HEADERS_BYTES <= up <= 1000 + 4 * HEADERS_BYTES
        assert 10 + HEADERS_BYTES <= down <= 10 + 4 * HEADERS_BYTES
        client.close()
        assert wire_bytes(client) is None
        peer.close()


def test_bytes_after_a_silence_are_a_burst_over_all_connections() -> None:
    traffic = Traffic()
    count = WireCount(traffic)
    count.look((0, 0), 0)
    assert traffic.bursts == 0
    count.look((10, 20), 1_000)
    count.look((15, 20), 1_000 + BURST_GAP_MS)
    assert (traffic.up_wire_bytes, traffic.down_wire_bytes, traffic.bursts) == (15, 20, 1)
    count.look((15, 20), 90_000)
    count.look(None, 90_000)
    count.begin()
    count.look((7, 3), 90_001)
    assert (traffic.up_wire_bytes, traffic.down_wire_bytes, traffic.bursts) == (22, 23, 2)
    assert (traffic.up_all_bytes, traffic.down_all_bytes) == (22, 23)
