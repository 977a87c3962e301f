"""Randomness with names: every stream comes from the seed and what it is for, never from a shared generator,
so that one more device changes nothing for the others."""

from __future__ import annotations

from hashlib import blake2b

STREAM_BYTES = 32


def drawn(seed: int, purpose: str, number: int = 0) -> bytes:
    """32 bytes for one purpose of one thing."""
    return blake2b(f"{seed}/{purpose}/{number}".encode(), digest_size=STREAM_BYTES).digest()


def share(seed: int, purpose: str, number: int = 0) -> float:
    """Evenly from [0, 1), with 53 bits."""
    return int.from_bytes(drawn(seed, purpose, number)[:8], "big") / (1 << 64)
