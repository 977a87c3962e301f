"""The numbers by which answers are told apart, from the fresh randomness of a start."""

from __future__ import annotations

from edge_client.protocol.hashing import Tag, digest


class Nonces:
    """Unpredictable numbers from a seed."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._count = 0

    def __call__(self) -> int:
        """The next one."""
        self._count += 1
        return int.from_bytes(digest(Tag.ASK, self._seed, self._count.to_bytes(8, "big"))[:8], "big")
