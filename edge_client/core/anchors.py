"""Roots of recent verified headers: what claims of validators are checked against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edge_client.core.trusted import TrustedHead
from edge_client.protocol.accounts import Account, AccountProof
from edge_client.protocol.header import Header
from edge_client.protocol.messages import Inclusion
from edge_client.protocol.update import UpdateHead

BODY_ROOTS_MAX = 1024
"""An update is included within a few rounds of its base, so the first heights after the base are enough."""

ACCOUNT_ROOTS_MAX = 8
"""A validator may answer from a state that is a few blocks older than the head it is checked against."""


class Anchors:
    """Body roots of the heights where pending updates may stand, and the latest account roots."""

    def __init__(self, head: TrustedHead, body_roots: Mapping[int, bytes]) -> None:
        self._body_roots = dict(body_roots)
        self._account_roots = {head.height: head.state.accounts_root}

    def add_headers(self, headers: Iterable[Header]) -> None:
        """Remember verified headers, the earliest `BODY_ROOTS_MAX` of those that matter."""
        for header in headers:
            if len(self._body_roots) < BODY_ROOTS_MAX:
                self._body_roots[header.height] = header.body_root

    def add_head(self, head: TrustedHead) -> None:
        """Remember the accounts of a new head."""
        self._account_roots[head.height] = head.state.accounts_root
        while len(self._account_roots) > ACCOUNT_ROOTS_MAX:
            del self._account_roots[min(self._account_roots)]

    def forget_to(self, height: int) -> None:
        """Nothing pending is based on a block below `height` (so it stands above it)."""
        for old in [one for one in self._body_roots if one <= height]:
            del self._body_roots[old]

    def knows(self, height: int) -> bool:
        """Whether accounts as of this height can be checked."""
        return height in self._account_roots

    def account(self, height: int, proof: AccountProof) -> Account | None:
        """The account if the proof holds as of `height`."""
        return proof.account if proof.root() == self._account_roots.get(height) else None

    def covers(self, height: int) -> bool:
        """Whether inclusions at this height can be checked."""
        return height in self._body_roots

    def includes(self, inclusion: Inclusion, head: UpdateHead) -> bool:
        """Whether the update stands in the block the validator named."""
        root = self._body_roots.get(inclusion.height)
        return root is not None and inclusion.proof.body_root_for(head) == root
