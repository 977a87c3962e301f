"""Who may publish and hear what: one table, from which both servers' access lists are made.

An access list is no matter of integrity, every message is signed. It keeps a device from filling topics that
others must listen to, from reading what is not meant for it, and from using another's name.

`{id}` stands for the node's own id, which is its MQTT user name and client id. Every node has the rights of a
device under its own id; validators, known when the configuration is written, have more. `enrol/` is reserved:
nobody may use it yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_client.protocol.topics import Topics
from edge_client.runtime.filters import covers

ANY_PUBLISH = ("up/{id}/head/+", "up/{id}/chunk/+/+", "up/{id}/ask", "up/{id}/state")
"""Exact leaves: a device cannot invent topics, not even under its own id."""
ANY_HEAR = ("down/{id}/#", "chain/head/+")
VALIDATOR_PUBLISH = ("val/{id}/#", "chain/head/{id}", "down/+/{id}/#")
VALIDATOR_HEAR = ("up/#", "val/#", "chain/#")

_NODE_ID = re.compile(r"[0-9a-f]{32}\Z")


def is_node_id(name: str) -> bool:
    """32 lower-case hexadecimal characters; above all no wildcard, which would widen a pattern."""
    return _NODE_ID.match(name) is not None


@dataclass(frozen=True, slots=True)
class AccessList:
    """The rights on one chain."""

    chain: str
    """The 16 characters in the topics."""
    validators: frozenset[str]

    def publish_filters(self, node: str) -> tuple[str, ...]:
        """Where `node` may publish."""
        own = VALIDATOR_PUBLISH if node in self.validators else ()
        return self._full(ANY_PUBLISH + own, node)

    def hear_filters(self, node: str) -> tuple[str, ...]:
        """What `node` may subscribe to and receive."""
        own = VALIDATOR_HEAR if node in self.validators else ()
        return self._full(ANY_HEAR + own, node)

    def may_publish(self, node: str, topic: str) -> bool:
        """Whether a message of `node` on `topic` is passed on."""
        return is_node_id(node) and any(covers(allowed, topic) for allowed in self.publish_filters(node))

    def may_hear(self, node: str, topic_filter: str) -> bool:
        """Whether `node` may hear everything that `topic_filter`, or this one topic, means."""
        return is_node_id(node) and any(covers(allowed, topic_filter) for allowed in self.hear_filters(node))

    def _full(self, filters: tuple[str, ...], node: str) -> tuple[str, ...]:
        base = Topics(self.chain).base
        return tuple(f"{base}/{name.format(id=node)}" for name in filters)
