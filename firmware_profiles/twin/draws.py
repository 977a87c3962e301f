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
    return evenly(drawn(seed, purpose, number))


def evenly(data: bytes) -> float:
    """The first 53 bits as a share: more would be rounded, the last ones up to 1."""
    return (int.from_bytes(data[:8], "big") >> 11) / (1 << 53)
