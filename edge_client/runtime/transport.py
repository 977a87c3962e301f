"""What every transport does, whether it is MQTT (`mqtt.py`) or its in-memory twin (`memory.py`).

The rules that machines may rely on:

- A publish cannot fail. It waits in a bounded queue (`SendQueue`), or is dropped and counted in `Traffic`.
- A token is acknowledged at most once; never when the queue was full, and with `delivered` False when the
  server says that nobody subscribes, forbids the publish, or would not take its size. `delivered` True means
  that a server has it in memory, nothing more: even then it can be lost.
- A token does not survive its connection. After `LinkLost` no earlier token is acknowledged and nothing that
  carried one is sent any more: the machine sends again what it still wants sent. A publish without a token is
  kept and goes out after the reconnect; a newer retained one replaces an older one on the same topic.
- `LinkUp` comes when everything subscribed before is subscribed again.
- Everything may arrive twice (MQTT QoS 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge_client.protocol.machine import Publish, TransportEvent

Deliver = Callable[[TransportEvent], None]
"""Takes an event from any thread and returns at once."""


@dataclass(frozen=True, slots=True)
class Will:
    """The retained message that the server publishes for us when the connection dies without a goodbye."""

    topic: str
    payload: bytes


@dataclass(slots=True)
class Traffic:
    """What went over one transport since the process started; bytes are MQTT payloads, re-sends included, and
    those of the wire all that the kernel counted (0 where it does not tell)."""

    up_bytes: int = 0
    down_bytes: int = 0
    up_messages: int = 0
    down_messages: int = 0
    up_wire_bytes: int = 0
    down_wire_bytes: int = 0
    bursts: int = 0
    """How often bytes followed a silence (`wire.py`): each time the radio stays on for a while."""
    dropped_full_count: int = 0
    """Publishes that found the queue full."""
    dropped_unlinked_count: int = 0
    """Publishes with a token made or still waiting when the link went down."""
    dropped_oversize_count: int = 0
    """Publishes larger than the server's, or our own, maximum packet size."""
    denied_count: int = 0
    """Publishes and subscriptions that the server refused aloud."""

    @property
    def up_all_bytes(self) -> int:
        """All that was sent, as far as it is known."""
        return max(self.up_bytes, self.up_wire_bytes)

    @property
    def down_all_bytes(self) -> int:
        """All that was received, as far as it is known."""
        return max(self.down_bytes, self.down_wire_bytes)

    @property
    def dropped_count(self) -> int:
        """Publishes that never reached a server."""
        return self.dropped_full_count + self.dropped_unlinked_count + self.dropped_oversize_count


class Transport(Protocol):
    """Carries messages; one per process and server set. All methods but `start` and `stop` return at once.

    Between `sleep` and `wake` there is no connection, no thread and no byte. The queue and the filters stay.
    """

    @property
    def traffic(self) -> Traffic:
        """What went over it so far."""
        ...

    def start(self, deliver: Deliver) -> None:
        """Connect, and keep connecting, until `stop`."""
        ...

    def publish(self, message: Publish) -> None:
        """Queue one message; may be called before `start` and while the link is down."""
        ...

    def subscribe(self, filters: tuple[str, ...]) -> None:
        """Hear these filters from now on, also after a reconnect."""
        ...

    def unsubscribe(self, filters: tuple[str, ...]) -> None:
        """Stop hearing these filters."""
        ...

    def sleep(self) -> None:
        """Send what is queued within a named time, say goodbye (no last will), and do not connect again
        before `wake`. What was under way may still be delivered, but no `LinkLost`."""
        ...

    def wake(self) -> None:
        """Connect, and keep connecting, as after `start`."""
        ...

    def stop(self) -> None:
        """Send what is queued within a named time, say goodbye (no last will) and deliver nothing more."""
        ...
