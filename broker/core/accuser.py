"""From what consensus saw to evidence on the chain: kept on disk, told to the others, until somebody's block
holds it [EVI-5]."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from broker.core.consensus import events as on
from broker.core.effects import ForgetEvidence, StoreEvidence
from broker.core.identity import Identity
from broker.core.ledger import Ledger
from broker.core.pool import Pool
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.evidence import Evidence, pair_of
from edge_client.protocol.execution.candidacy import is_convictable
from edge_client.protocol.machine import Note
from edge_client.protocol.messages import Ask, SubmitRecord

TELL_MS, TELL_MS_MAX = 2_000, 60_000

Seen = TypeVar("Seen")


class Accuser:
    """Holds one pair for each key that can be convicted, and tells it again, ever more seldom. A key that is
    convicted on this chain, or never could be, costs no further work."""

    def __init__(self, identity: Identity, ledger: Ledger, pool: Pool, next_nonce: Callable[[], int]) -> None:
        self._rules = identity.rules
        self._ledger = ledger
        self._pool = pool
        self._next_nonce = next_nonce
        self._open: dict[bytes, Evidence] = {}
        self._due_ms = 0
        self._wait_ms = TELL_MS

    def restore(self, kept: Iterable[Evidence]) -> None:
        """Go on with what the disk holds."""
        for pair in kept:
            if self._is_open(pair.key):
                self._open[pair.key] = pair
                self._pool.add_record(pair, self._ledger.head, 0)

    def accuse(self, seen: on.Evidence, now_ms: int) -> list[StoreEvidence | Note]:
        """Consensus saw two messages that contradict each other, both verified."""
        if seen.key in self._open or not self._is_open(seen.key):
            return []
        try:
            pair = pair_of(seen.key, seen.first, seen.second)
            self._pool.add_record(pair, self._ledger.head, now_ms)
        except ProtocolError as error:  # what no record can show must not stop an honest validator
            return [Note("evidence_unusable", {"why": error.detail})]
        self._open[seen.key] = pair
        self.hurry()
        return [StoreEvidence(pair), _pending(pair)]

    def follow(self, effects: Iterable[Seen], now_ms: int) -> Iterator[Seen | StoreEvidence | Note]:
        """The same effects, each offence a device's report has shown with its accusation behind it."""
        for effect in effects:
            yield effect
            if isinstance(effect, on.Evidence):
                yield from self.accuse(effect, now_ms)

    def hear(self, pair: Evidence, now_ms: int) -> list[Note]:
        """Another validator or a device brings evidence; raises `ProtocolError` when it is forged. Whoever
        saw it keeps it, so this node only puts it into its block."""
        if not self._is_open(pair.key) or not self._pool.add_record(pair, self._ledger.head, now_ms):
            return []
        return [_pending(pair)]

    def hurry(self) -> None:
        """Tell everything now: there is news, or the link was down."""
        self._due_ms, self._wait_ms = 0, TELL_MS

    def due(self, now_ms: int) -> list[Ask]:
        """What to tell the other validators now."""
        if not self._open or now_ms < self._due_ms:
            return []
        self._due_ms = now_ms + self._wait_ms
        self._wait_ms = min(2 * self._wait_ms, TELL_MS_MAX)
        return [Ask(self._next_nonce(), 0, SubmitRecord(pair)) for pair in self._open.values()]

    def deadline(self) -> int | None:
        """When `due` has something to say."""
        return self._due_ms if self._open else None

    def settle(self) -> list[ForgetEvidence]:
        """After a new head: who is convicted, or has left for good, is nobody's business any more."""
        settled = [key for key in self._open if not self._is_open(key)]
        for key in settled:
            del self._open[key]
        return [ForgetEvidence(key) for key in settled]

    def _is_open(self, key: bytes) -> bool:
        return is_convictable(self._rules, self._ledger.head.state, key)


def _pending(pair: Evidence) -> Note:
    return Note("evidence_pending", {"key": pair.key.hex()[:16], "kind": type(pair).__name__})


def evidence_in(question: object) -> Evidence | None:
    """The evidence that a question hands in, if it does."""
    if not isinstance(question, SubmitRecord):
        return None
    record = question.record
    return record if isinstance(record, Evidence) else None
