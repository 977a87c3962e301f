"""A signature check that does each check once: heads are judged on arrival, in a proposal and in a block."""

from __future__ import annotations

from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.keys import Verify

REMEMBERED_MAX = 16384


class VerifyOnce:
    """Remembers the verdicts of the last `REMEMBERED_MAX` (key, message, signature) triples."""

    def __init__(self, verify: Verify) -> None:
        self._verify = verify
        self._verdicts: dict[bytes, bool] = {}

    def __call__(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Same as the wrapped function."""
        key = digest(Tag.CERTIFICATE, public_key, signature, message)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verify(public_key, message, signature)
            if len(self._verdicts) >= REMEMBERED_MAX:
                del self._verdicts[next(iter(self._verdicts))]
            self._verdicts[key] = verdict
        return verdict
