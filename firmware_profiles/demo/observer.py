"""An onlooker: a light client without data, that fetches model and block of every round it has seen proven.

It believes validators no more than a device does: what the demo measures is the model whose root stands in a
finalised header.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.core.draws import Draws
from edge_client.core.identity import Identity
from edge_client.core.light_client import Advanced, Progress
from edge_client.core.stored import Stored
from edge_client.core.sync import Sync
from edge_client.core.timing import earliest
from edge_client.core.trusted import TrustedHead
from edge_client.protocol.body import BODY_BYTES_MAX, decode_block
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.fetch import Fetched, Fetcher
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.light import HeaderRun
from edge_client.protocol.machine import (
    LinkUp,
    Note,
    Received,
    Refused,
    SharedEffect,
    Subscribe,
    TransportEvent,
    Woke,
)
from edge_client.protocol.messages import Handoffs, Say, decode_say
from edge_client.protocol.model import model_root
from edge_client.protocol.topics import hash_level, index_level

WANTED_MAX = 64
"""Closed rounds whose model or block is still on its way."""


@dataclass(frozen=True, slots=True)
class ModelHere:
    """The model of a verified head is here; `closed_round` is the round whose block made it, `accounts` whose
    updates that block holds."""

    closed_round: int
    accounts: tuple[int, ...]
    head: TrustedHead
    model: bytes


@dataclass(slots=True)
class _Wanted:
    """A closed round, and what of it is here."""

    head: TrustedHead
    model: bytes | None = None
    accounts: tuple[int, ...] | None = None


class Observer:
    """A machine that follows the chain and answers each closed round with `ModelHere`."""

    def __init__(self, identity: Identity, genesis: Genesis, seed: bytes) -> None:
        draws = Draws(seed)
        self._identity = identity
        self._genesis = genesis
        self._sync = Sync(identity, genesis, draws, Stored())
        self._fetcher = Fetcher(draws.nonce)
        self._wanted: list[_Wanted] = []
        self._round = 1
        self._linked = False

    @property
    def head(self) -> TrustedHead:
        """The latest verified head."""
        return self._sync.head

    def handle(self, event: TransportEvent | Woke, now_ms: int) -> list[SharedEffect | ModelHere]:
        """See `Machine`."""
        effects: list[SharedEffect | ModelHere] = []
        if isinstance(event, LinkUp):
            self._linked = True
            self._sync.link_up(now_ms)
            effects.append(Subscribe(self._identity.topics.device_filters(self._identity.device)))
        elif isinstance(event, Received):
            try:
                effects += self._received(event, now_ms)
            except ProtocolError as error:
                effects.append(Refused(error.reason, event.topic, error.detail))
        if self._linked:
            effects += [*self._sync.advance(now_ms), *self._sync.ask(now_ms)]
            effects += [self._identity.ask(ask) for ask in self._fetcher.due(now_ms)]
        return effects

    def deadline(self) -> int | None:
        """See `Machine`."""
        return earliest(self._sync.deadline(), self._fetcher.deadline()) if self._linked else None

    def _received(self, event: Received, now_ms: int) -> list[SharedEffect | ModelHere]:
        levels = self._identity.topics.split(event.topic) or []
        match levels:
            case ["chain", "head", validator]:
                round_s = self._genesis.params.round_s
                return self._progress(self._sync.chain_head(validator, event.payload, round_s, now_ms))
            case ["down", _, _, "say"]:
                return self._said(decode_say(event.payload), now_ms)
            case ["down", _, validator, "chunk", root, index]:
                return self._piece(validator, (hash_level(root), index_level(index)), event.payload, now_ms)
            case _:
                return []

    def _said(self, said: Say, now_ms: int) -> list[SharedEffect | ModelHere]:
        if isinstance(said, HeaderRun):
            return self._progress(self._sync.header_run(said, now_ms))
        if isinstance(said, Handoffs):
            return [one for step in self._sync.handoffs(said, now_ms) for one in self._progress(step)]
        return []

    def _progress(self, progress: Progress | None) -> list[SharedEffect | ModelHere]:
        head = self._sync.head
        if not isinstance(progress, Advanced) or head.learning.round == self._round:
            return []
        self._round = head.learning.round
        root, block_hash = head.app.model_root, head.hash
        self._wanted.append(_Wanted(head))
        del self._wanted[:-WANTED_MAX]
        size_bytes = 4 * self._genesis.manifest.parameter_count
        self._fetcher.want(ObjectKind.MODEL, root, size_bytes, lambda data: model_root(data) == root)
        self._fetcher.want(
            ObjectKind.BLOCK, block_hash, BODY_BYTES_MAX, lambda data: self._is_block(data, block_hash)
        )
        return [Note("round_closed", {"round": self._round - 1, "height": head.height})]

    def _piece(
        self, validator: str, name: tuple[bytes, int], payload: bytes, now_ms: int
    ) -> list[SharedEffect | ModelHere]:
        fetched, asks = self._fetcher.piece(validator, *name, payload, now_ms)
        effects: list[SharedEffect | ModelHere] = [self._identity.ask(ask) for ask in asks]
        if fetched is not None:
            effects += self._keep(fetched)
        return effects

    def _is_block(self, data: bytes, block_hash: bytes) -> bool:
        try:
            header, _ = decode_block(data)
        except ProtocolError:
            return False
        return header.hash(self._identity.chain_id) == block_hash

    def _keep(self, fetched: Fetched) -> list[ModelHere]:
        """Rounds that are complete now, in order."""
        for one in self._wanted:
            if fetched.root == one.head.app.model_root:
                one.model = fetched.data
            elif fetched.root == one.head.hash:
                one.accounts = tuple(head.account for head in decode_block(fetched.data)[1].updates)
        here = []
        while self._wanted and self._wanted[0].model is not None and self._wanted[0].accounts is not None:
            one = self._wanted.pop(0)
            here.append(
                ModelHere(one.head.learning.round - 1, one.accounts or (), one.head, one.model or b"")
            )
        return here
