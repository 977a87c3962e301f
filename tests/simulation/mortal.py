"""A validator node whose process can end between two effects, and whose every message is checked."""

from __future__ import annotations

from typing import Any

from broker.core.validator import Validator, ValidatorEffect, ValidatorEvent
from edge_client.protocol.machine import Publish
from firmware_profiles.simulate.world import Node
from tests.promises import Promises


class Mortal:
    """Makes a node's process end instead of executing effect `dies_at`; checks all that it publishes."""

    def __init__(self, node: Node, promises: Promises, dies_at: int) -> None:
        machine: Any = node.machine
        assert isinstance(machine, Validator)
        self._handle = machine.handle
        self._publish = node.transport.publish
        self._promises = promises
        self._dies_at = dies_at
        self.executed_count = 0
        self.is_dead = False
        machine.handle = self.handle  # type: ignore[method-assign]
        node.executors[Publish] = self.publish

    def handle(self, event: ValidatorEvent, now_ms: int) -> list[ValidatorEffect]:
        if self.is_dead:
            return []
        effects = self._handle(event, now_ms)
        left = self._dies_at - self.executed_count
        self.executed_count += len(effects)
        self.is_dead = 0 < left <= len(effects)
        return effects[: left - 1] if self.is_dead else effects

    def publish(self, effect: Publish) -> None:
        self._promises.check(effect)
        self._publish(effect)
