"""Reading what everybody believes: the head each device has verified and each validator has finalised."""

from __future__ import annotations

from contextlib import ExitStack, closing

from edge_client.adapters.chain_store import ChainStore
from edge_client.adapters.device_database import open_device_database
from firmware_profiles.demo.measure import validator_head
from firmware_profiles.demo.setting import Stage


class Heads:
    """Open databases of all devices, read beside the running agents (write-ahead log: nobody waits)."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._closing = ExitStack()
        self._devices = [
            ChainStore(
                self._closing.enter_context(closing(open_device_database(folder))), stage.files.chain_id
            )
            for folder in stage.device_folders
        ]

    def close(self) -> None:
        """Close all databases."""
        self._closing.close()

    def read(self) -> list[tuple[int, bytes]]:
        """(height, hash) of every device, then of every validator."""
        chain_id = self._stage.files.chain_id
        found = [
            (head.height, head.hash) if head else (0, chain_id) for head in (d.head() for d in self._devices)
        ]
        validators = range(self._stage.plan.validators)
        return found + [validator_head(self._stage.validator_folder(i), chain_id) for i in validators]

    def agree(self) -> bool:
        """Whether all are one and the same, past genesis."""
        found = set(self.read())
        return len(found) == 1 and found.pop()[0] > 0
