from __future__ import annotations

from edge_client.protocol.machine import Publish
from edge_client.runtime.send_queue import QueueLimits, SendQueue


def drain(queue: SendQueue) -> list[bytes]:
    taken = []
    while (message := queue.take()) is not None:
        taken.append(message.payload)
    return taken


def test_bounds_hold_for_messages_and_bytes() -> None:
    by_count = SendQueue(QueueLimits(messages_max=2, bytes_max=1000))
    assert [by_count.put(Publish("t", b"x")) for _ in range(3)] == [True, True, False]
    by_bytes = SendQueue(QueueLimits(messages_max=100, bytes_max=10))
    assert [by_bytes.put(Publish("t", bytes(size))) for size in (6, 5, 4)] == [True, False, True]
    by_bytes.take()
    assert by_bytes.put(Publish("t", bytes(6)))


def test_a_newer_retained_value_replaces_the_older_one() -> None:
    queue = SendQueue(QueueLimits(messages_max=2, bytes_max=8))
    queue.put(Publish("t", b"12345678", retain=True))
    assert queue.put(Publish("t", b"8765", retain=True))
    assert queue.put(Publish("u", b"1234", retain=True))
    assert drain(queue) == [b"8765", b"1234"]


def test_messages_that_are_not_retained_all_stay() -> None:
    queue = SendQueue(QueueLimits())
    queue.put(Publish("t", b"a"))
    queue.put(Publish("t", b"b"))
    queue.put(Publish("t", b"c", retain=True))
    assert drain(queue) == [b"a", b"b", b"c"]


def test_reset_forgets_tokens_and_keeps_the_rest_in_order() -> None:
    queue = SendQueue(QueueLimits())
    queue.put(Publish("t", b"queued"))
    queue.put(Publish("t", b"queued token", token=2))
    under_way = [Publish("t", b"sent"), Publish("t", b"sent token", token=1)]
    assert queue.reset(under_way) == 2
    assert drain(queue) == [b"sent", b"queued"]
