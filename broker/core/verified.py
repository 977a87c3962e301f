"""A signature check that does each check once: heads are judged on arrival, in a proposal and in a block."""

from __future__ import annotations

from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.keys import Verify

REMEMBERED_MAX = 16384


class VerifyOnce:
    """Remembers the verdicts of the last `remembered_max` (key, message, signature) triples."""

    def __init__(self, verify: Verify, remembered_max: int = REMEMBERED_MAX) -> None:
        self._verify = verify
        self._remembered_max = remembered_max
        self._verdicts: dict[bytes, bool] = {}

    def __call__(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Same as the wrapped function."""
        key = digest(Tag.CERTIFICATE, public_key, signature, message)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verify(public_key, message, signature)
            if len(self._verdicts) >= self._remembered_max:
                del self._verdicts[next(iter(self._verdicts))]
            self._verdicts[key] = verdict
        return verdict
