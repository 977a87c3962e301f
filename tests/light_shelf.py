"""A chain over epochs as a validator has it on disk, for what answers are looked up in."""

from __future__ import annotations

from edge_client.protocol.handoff import Handoff
from edge_client.protocol.header import Header
from edge_client.protocol.mmr_nodes import appended
from tests.light_epochs import EpochChain


class Shelf:
    """What a validator can look up of a chain."""

    def __init__(self, chain: EpochChain) -> None:
        self.chain = chain
        self.nodes = [chain.chain_id]
        for height in range(1, chain.height + 1):
            self.nodes += appended(height, chain.hash(height), self.mmr_node)

    def mmr_node(self, position: int) -> bytes | None:
        return self.nodes[position] if position < len(self.nodes) else None

    def header(self, height: int) -> Header | None:
        return self.chain.header(height) if height <= self.chain.height else None

    def handoff(self, epoch: int) -> Handoff | None:
        return self.chain.handoff(epoch) if epoch < self.chain.epoch else None
