"""A process for `test_validator_kills.py`: a lone validator closes rounds on one folder until it is killed.

It says "here" before every effect, so that its parent can kill it in the middle of a life, of a transaction
or of a file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from broker.adapters.block_store import BlockStore
from broker.core.validator import ValidatorEffect
from edge_client.protocol.genesis import Genesis
from tests.builders import GRAPH_BYTES, make_genesis, make_model, make_params
from tests.lone_validator import LoneValidator

DEVICES = 2


def genesis() -> Genesis:
    """Two updates close a round; their bodies go after three blocks."""
    return make_genesis(1, params=make_params(k=DEVICES, staleness_max=2, body_window=3))


def open_store(folder: Path) -> BlockStore:
    """The validator's disk, with the chain's fixed objects in it."""
    first = genesis()
    fixed = {first.chain_id(): first.encode(), first.graph_root: GRAPH_BYTES}
    store = BlockStore(folder, first, fixed)
    store.store_model(first.model_root, make_model(first.manifest))
    return store


class ValidatorOnDisk(LoneValidator):
    """Lives where its last life ended."""

    def __init__(self, folder: Path) -> None:
        self._disk = open_store(folder)
        self._disk.remove_leftovers()
        super().__init__(genesis())

    def start(self) -> None:
        """On the real disk, at a time that is not before that of its head."""
        self.store = self._disk  # type: ignore[assignment]
        head = self._disk.load().head
        self.now_ms += 0 if head is None else (head.header.time_s + 1) * 1000
        super().start()

    def execute(self, effect: ValidatorEffect) -> None:
        """Say so first."""
        sys.stdout.write("here\n")
        sys.stdout.flush()
        super().execute(effect)
        self.effects.clear()

    def live(self) -> None:
        """Register devices, close rounds, for ever; the same updates again after a crash."""
        if len(self.state.accounts) < DEVICES:
            self.join(self.devices[:DEVICES])
        while True:
            for account in range(DEVICES):
                self.hand_in(account)
            self.run(1_000)


if __name__ == "__main__":
    ValidatorOnDisk(Path(sys.argv[1])).live()
