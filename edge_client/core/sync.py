"""Keeps up with the chain: whose head to listen to, and the headers that are missing."""

from __future__ import annotations

from edge_client.core.asking import Asking
from edge_client.core.draws import Draw, Draws
from edge_client.core.follow import Follower
from edge_client.core.identity import Identity
from edge_client.core.light_client import LightClient, Progress
from edge_client.core.stored import Stored
from edge_client.core.timing import earliest
from edge_client.core.trusted import TrustedHead, genesis_head, genesis_tip
from edge_client.core.verify import Conflict, Invalid, LightRules
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.keys import node_id
from edge_client.protocol.light import HeaderRun, LightBlock
from edge_client.protocol.machine import Note, Publish, Subscribe, Unsubscribe


class Sync:
    """The light client together with its sources."""

    def __init__(self, identity: Identity, genesis: Genesis, draws: Draws, stored: Stored) -> None:
        rules = LightRules(identity.chain_id, genesis.validators, genesis.t0_s, identity.verify)
        tip = stored.tip or genesis_tip(identity.chain_id)
        head = stored.head or genesis_head(genesis)
        ids = [node_id(key) for key in genesis.validators.keys]
        order = sorted(ids, key=lambda name: draws.bytes_for(Draw.FOLLOW, name.encode()))
        self._identity = identity
        self._draws = draws
        self._t0_s = genesis.t0_s
        self._validators = len(ids)
        self._light = LightClient(rules, tip, head, identity.checkpoint)
        self._follower = Follower(identity.topics, tuple(order), identity.timing)
        self._asking: Asking | None = None
        self._asked_first = 0
        self._fresh = False

    @property
    def head(self) -> TrustedHead:
        """The latest verified state."""
        return self._light.head

    @property
    def synced(self) -> bool:
        """Whether the head is the latest that anybody told us about since the link came up."""
        return self._fresh and not self._light.behind

    def link_up(self, now_ms: int) -> None:
        """Much may have happened since we last heard anything."""
        self._fresh = False
        self._follower.link_up(now_ms)

    def told(self, height: int, now_ms: int) -> None:
        """A validator says how high the chain is: a higher head is looked for, and verified as ever."""
        if height > self.head.height:
            self._follower.suspect(now_ms)
        elif height == self.head.height:
            self._fresh = True

    def chain_head(self, validator: str, payload: bytes, round_s: int, now_ms: int) -> Progress | None:
        """Take a head; None from a validator we do not follow (any more). Raises `ProtocolError`."""
        if validator != self._follower.followed:
            return None
        try:
            progress = _accepted(self._light.offer(LightBlock.decode(payload), now_ms))
        except ProtocolError:
            self._follower.suspect(now_ms)
            raise
        self._fresh = True
        self._follower.heard(self.head, round_s, self._t0_s, now_ms)
        return progress

    def header_run(self, run: HeaderRun) -> Progress:
        """Take missing headers. Raises `ProtocolError`."""
        return _accepted(self._light.take_run(run))

    def advance(self, now_ms: int) -> list[Subscribe | Unsubscribe | Note]:
        """Listen to somebody else if it is time."""
        return self._follower.advance(now_ms)

    def ask(self, now_ms: int) -> list[Publish]:
        """Ask for missing headers if it is time."""
        question = self._light.question
        if question is None:
            self._asking = None
            return []
        if self._asking is None:
            timing = self._identity.timing
            self._asking = Asking(question, self._draws.nonce(), self._validators, timing)
            self._asked_first = question.first
        elif self._asked_first != question.first:
            self._asked_first = question.first
            return [self._identity.ask(self._asking.progressed(question, now_ms))]
        self._asking.question = question
        ask = self._asking.ask(now_ms)
        return [] if ask is None else [self._identity.ask(ask)]

    def deadline(self) -> int | None:
        """When `advance` or `ask` has something to do, while the link is up."""
        return earliest(self._follower.due_ms, None if self._asking is None else self._asking.due_ms)


class ConflictError(Exception):
    """Validators finalised two histories; carries what was seen."""


def _accepted(progress: Progress) -> Progress:
    """The same, with what a peer did wrong raised as its error."""
    if isinstance(progress, Invalid):
        raise ProtocolError(progress.reason, progress.detail)
    if isinstance(progress, Conflict):
        raise ConflictError(progress.detail)
    return progress
