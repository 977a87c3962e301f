"""What this machine's crypto libraries do by themselves: the limits that our own code is measured against."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

from nacl.bindings import crypto_sign_open

HASHED_BYTES = 8 << 20
"""About as long as linking and storing one run of headers, so that a busy machine interrupts both alike."""
MEGABYTE = 1_000_000

Signed = tuple[bytes, bytes]
"""(signature and message in one, public key), as the binding wants it."""


def verify_all_s(signed: Sequence[Signed]) -> float:
    """Processor time in which the bare PyNaCl binding verifies all of these; raises when one is bad."""
    began_s = time.thread_time()
    for message, public_key in signed:
        crypto_sign_open(message, public_key)
    return time.thread_time() - began_s


def blake2b_mb_per_s() -> float:
    """Rate of BLAKE2b-256 over large inputs, in megabytes (10^6 bytes) a second."""
    data = bytes(HASHED_BYTES)
    began_s = time.perf_counter()
    hashlib.blake2b(data, digest_size=32).digest()
    return HASHED_BYTES / MEGABYTE / (time.perf_counter() - began_s)
