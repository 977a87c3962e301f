"""Blocks found valid above the last decided one, linked to their parents."""

from __future__ import annotations

from dataclasses import dataclass

from broker.core.consensus.events import FinalBlock
from broker.core.consensus.justification import Parent


class ForkError(Exception):
    """A certified block does not descend from the decided one: more than f validators are faulty."""


@dataclass(frozen=True, slots=True)
class Block:
    """A valid block, by its place and its parent."""

    hash: bytes
    height: int
    slot: int
    parent: Parent


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

    def add(self, block: Block) -> None:
        """Keep a valid block; those at or below the decided height are of no use."""
        if block.height > self.head.height:
            self._blocks[block.hash] = block

    def path(self, target: Missing) -> list[Block] | Missing:
        """Blocks from above the head up to `target`, or the highest that is missing; raises `ForkError`."""
        path: list[Block] = []
        while target.height > self.head.height:
            block = self._blocks.get(target.hash)
            if block is None:
                return target
            path.append(block)
            target = Missing(block.parent.hash, block.parent.height, block.parent.slot)
        if target.height == self.head.height and target.hash != self.head.hash:
            raise ForkError(f"height {target.height}: {self.head.hash.hex()} and {target.hash.hex()}")
        return path[::-1]

    def advance(self, head: FinalBlock) -> None:
        """Make `head` the decided block and forget all that cannot stand above it."""
        self.head = head
        self._blocks = {key: one for key, one in self._blocks.items() if one.height > head.height}
