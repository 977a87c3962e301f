"""The one contract of every state machine, and the events and effects both sides share.

A machine is told what happened and what time it is, and answers with effects that the shell executes in list
order. *Persist before Send* is therefore a rule the machine itself keeps. A Send cannot fail: it is queued
within a bound, or dropped and counted (the protocol repairs it). A Persist that fails ends the process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from edge_client.protocol.errors import Reason

Event = TypeVar("Event", contravariant=True)
Effect = TypeVar("Effect")


class Machine(Protocol[Event, Effect]):
    """Decides; touches nothing."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Take one event at `now_ms` (Unix milliseconds as this process sees them)."""
        ...

    def deadline(self) -> int | None:
        """When the machine wants a `Woke` event at the latest, in the same milliseconds; None = never."""
        ...


@dataclass(frozen=True, slots=True)
class LinkUp:
    """Connected to an MQTT server; `packet_bytes_max` is what it announced, if anything."""

    server: str
    packet_bytes_max: int | None = None


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The connection is gone; the transport reconnects by itself."""

    why: str


@dataclass(frozen=True, slots=True)
class Received:
    """One MQTT message, exactly as it came."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The MQTT server took the publish with this token; `delivered` is False when nobody subscribes to it."""

    token: int
    delivered: bool


@dataclass(frozen=True, slots=True)
class Woke:
    """The deadline came, or somebody else woke the loop."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Send one MQTT message at QoS 1; `token` asks for an `Acknowledged` event."""

    topic: str
    payload: bytes
    retain: bool = False
    token: int | None = None


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Hear these topic filters from now on, also after a reconnect."""

    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Stop hearing these topic filters."""

    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Something from a peer was not accepted: counted by reason and logged once per (reason, sender)."""

    reason: Reason
    sender: str
    detail: str


@dataclass(frozen=True, slots=True)
class Note:
    """A fact for the log, metrics and `status`: event name and plain fields."""

    event: str
    fields: dict[str, str | int | float | bool] = field(default_factory=dict)


TransportEvent = LinkUp | LinkLost | Received | Acknowledged
"""What a transport reports."""

SharedEffect = Publish | Subscribe | Unsubscribe | Refused | Note
"""What any machine may ask of the shell."""
