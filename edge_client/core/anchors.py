"""Recent verified headers: what claims of validators are checked against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edge_client.core.trusted import TrustedHead
from edge_client.protocol.body import RecordProof
from edge_client.protocol.header import Header
from edge_client.protocol.update import UpdateHead

BODY_ROOTS_MAX = 1024
"""An update is included within a few rounds of its base, so the first heights after the base are enough."""

HEADS_MAX = 8
"""A validator may answer from a state that is a few blocks older than the head it is checked against."""


class Anchors:
    """Body roots of the heights where pending updates may stand, and the latest heads."""

    def __init__(self, head: TrustedHead, body_roots: Mapping[int, bytes]) -> None:
        self._body_roots = dict(body_roots)
        self._heads = {head.height: head}

    def add_headers(self, headers: Iterable[Header]) -> None:
        """Remember verified headers, the earliest `BODY_ROOTS_MAX` of those that matter."""
        for header in headers:
            if len(self._body_roots) < BODY_ROOTS_MAX:
                self._body_roots[header.height] = header.body_root

    def add_head(self, head: TrustedHead) -> None:
        """Remember the state after a new head."""
        self._heads[head.height] = head
        while len(self._heads) > HEADS_MAX:
            del self._heads[min(self._heads)]

    def forget_to(self, height: int) -> None:
        """Nothing pending is based on a block below `height` (so it stands above it)."""
        for old in [one for one in self._body_roots if one <= height]:
            del self._body_roots[old]

    def head(self, height: int) -> TrustedHead | None:
        """The state after this height, when accounts can be checked against it."""
        return self._heads.get(height)

    def covers(self, height: int) -> bool:
        """Whether inclusions at this height can be checked."""
        return height in self._body_roots

    def covered_from(self, height: int) -> int:
        """From which height on inclusions can be checked, up to this one."""
        while height in self._body_roots:
            height -= 1
        return height + 1

    def includes(self, height: int, proof: RecordProof, head: UpdateHead) -> bool:
        """Whether the update stands in the block of this height."""
        root = self._body_roots.get(height)
        return root is not None and proof.body_root_for(head) == root
