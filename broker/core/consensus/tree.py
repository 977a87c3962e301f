"""Blocks found valid above the last decided one, linked to their parents."""

from __future__ import annotations

from dataclasses import dataclass

from broker.core.consensus.events import FinalBlock
from broker.core.consensus.justification import Parent
from edge_client.protocol.header import Header


class ForkError(Exception):
    """A certified block does not descend from the decided one: more than f validators are faulty."""


@dataclass(frozen=True, slots=True)
class Block:
    """A valid block and what it stands on. `seals`: it ends the epoch, no block of it may follow."""

    hash: bytes
    header: Header
    parent: Parent
    seals: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """A block that is needed and was not reported valid yet."""

    hash: bytes
    height: int
    slot: int


class BlockTree:
    """Bounded by its owner, who lets in blocks of the open slots only."""

    def __init__(self, head: FinalBlock) -> None:
        self.head = head
        self._blocks: dict[bytes, Block] = {}

    def knows(self, block_hash: bytes) -> bool:
        """Whether it is the decided head or a valid block above it."""
        return block_hash == self.head.hash or block_hash in self._blocks

    def get(self, block_hash: bytes) -> Block | None:
        """A valid block above the head."""
        return self._blocks.get(block_hash)

    def add(self, block: Block) -> None:
        """Keep a valid block; those at or below the decided height are of no use."""
        if block.header.height > self.head.height:
            self._blocks[block.hash] = block

    def may_follow(self, parent: Parent) -> bool:
        """Whether a block may stand on `parent`: the head, or a valid block that does not seal the epoch."""
        above = self._blocks.get(parent.hash)
        return not above.seals if above else parent.hash == self.head.hash

    def path(self, target: Missing) -> list[Block] | Missing:
        """Blocks from above the head up to `target`, or the highest that is missing; raises `ForkError`."""
        path: list[Block] = []
        while target.height > self.head.height:
            block = self._blocks.get(target.hash)
            if block is None:
                return target
            path.append(block)
            target = Missing(block.parent.hash, block.parent.height, block.parent.slot)
        if target.hash != self.head.hash:
            found = f"{self.head.height} {self.head.hash.hex()} and {target.height} {target.hash.hex()}"
            raise ForkError(f"final blocks (height, hash) on two branches: {found}")
        return path[::-1]

    def advance(self, head: FinalBlock) -> None:
        """Make `head` the decided block and forget all that cannot stand above it."""
        self.head = head
        self._blocks = {key: one for key, one in self._blocks.items() if one.header.height > head.height}
