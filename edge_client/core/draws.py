"""All randomness of the agent, drawn from the one seed its shell gives it, so that a run can be repeated."""

from __future__ import annotations

from enum import Enum
from hashlib import blake2b


class Draw(bytes, Enum):
    """What is drawn; at most 16 bytes each (the `person` field of BLAKE2b)."""

    NONCE = b"agent/nonce"
    FOLLOW = b"agent/follow"
    TRAINING = b"agent/training"
    WAKE = b"agent/wake"
    RETRY = b"agent/retry"
    PAUSE = b"agent/pause"


class Draws:
    """A family of random streams; `seed` is 32 bytes that were never used by another run of this device."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._nonces = 0
        self._chances = 0

    def nonce(self) -> int:
        """A new 64-bit nonce."""
        self._nonces += 1
        return int.from_bytes(self.bytes_for(Draw.NONCE, self._nonces.to_bytes(8, "big"))[:8], "big")

    def chance(self) -> float:
        """A new number of [0, 1)."""
        self._chances += 1
        drawn = self.bytes_for(Draw.RETRY, self._chances.to_bytes(8, "big"))
        return int.from_bytes(drawn[:4], "big") / 2**32

    def bytes_for(self, draw: Draw, data: bytes) -> bytes:
        """32 bytes that belong to `data`; the same for the same data."""
        return blake2b(data, digest_size=32, key=self._seed, person=draw.value).digest()
