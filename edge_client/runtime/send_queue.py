"""Messages that wait to be sent, within named bounds."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from edge_client.protocol.machine import Publish


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much may wait; a device that is offline for days must not grow."""

    messages_max: int = 512
    bytes_max: int = 8 * 1024 * 1024


class SendQueue:
    """First in, first out, thread-safe; bytes are payload bytes."""

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._waiting: deque[Publish] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Publish) -> bool:
        """Append, forgetting an older retained value of the topic; False when a bound would be passed."""
        with self._lock:
            if message.retain and message.token is None:
                self._forget_older(message.topic)
            size = len(message.payload)
            if len(self._waiting) >= self._limits.messages_max or self._bytes + size > self._limits.bytes_max:
                return False
            self._waiting.append(message)
            self._bytes += size
            return True

    def take(self) -> Publish | None:
        """Remove and return the oldest, if any."""
        with self._lock:
            if not self._waiting:
                return None
            message = self._waiting.popleft()
            self._bytes -= len(message.payload)
            return message

    def reset(self, unsent: Iterable[Publish]) -> int:
        """The link went down with `unsent` on its way: forget all tokens, put the rest in front.

        May pass the bounds by the send window once. Returns how many messages were forgotten.
        """
        with self._lock:
            everything = [*unsent, *self._waiting]
            self._waiting = deque(message for message in everything if message.token is None)
            self._bytes = sum(len(message.payload) for message in self._waiting)
            return len(everything) - len(self._waiting)

    def _forget_older(self, topic: str) -> None:
        """Only the latest retained value of a topic means anything, so a queue never holds two."""
        for index, queued in enumerate(self._waiting):
            if queued.retain and queued.token is None and queued.topic == topic:
                self._bytes -= len(queued.payload)
                del self._waiting[index]
                return
