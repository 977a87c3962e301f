"""What the agent finds on disk at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_client.core.events import Interrupted, PendingUpdate
from edge_client.core.trusted import Tip, TrustedHead
from edge_client.protocol.accounts import AccountProof
from edge_client.protocol.handoff import Handoff, TrustedSet
from edge_client.protocol.params import ParamsPair


@dataclass(frozen=True, slots=True)
class Stored:
    """The sum of all Save* effects so far; the defaults are a new device.

    `signing` is the validator set of the tip's epoch, `handoffs` are those from that epoch on.
    `last_round` is the latest round an update was ever saved for. `body_roots` maps heights to body roots
    from the oldest base of a pending update on (at most `anchors.BODY_ROOTS_MAX`). `objects` are the roots of
    all stored objects, `interrupted` is work to go on with, `conflict` is why the device halted, if it did.
    """

    genesis: bytes | None = None
    tip: Tip | None = None
    head: TrustedHead | None = None
    signing: TrustedSet | None = None
    handoffs: tuple[Handoff, ...] = ()
    params: ParamsPair | None = None
    account: AccountProof | None = None
    updates: tuple[PendingUpdate, ...] = ()
    last_round: int = 0
    body_roots: Mapping[int, bytes] = field(default_factory=dict)
    objects: frozenset[bytes] = frozenset()
    interrupted: Interrupted | None = None
    conflict: str | None = None
