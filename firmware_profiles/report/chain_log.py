"""What the chain did, from the notes and final blocks of its validators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from broker.core.effects import StoreFinal
from edge_client.protocol.machine import Note, Refused
from edge_client.protocol.state import ChainState
from firmware_profiles.report.record import RoundFacts


class Examiner(Protocol):
    """Measures models."""

    def accuracy(self, model: bytes) -> float:
        """Of a model as the chain writes it."""
        ...


@dataclass(slots=True)
class ChainLog:
    """Every block once, whichever validator has it first; `joules` is asked when a round closes. Without an
    examiner accuracy means nothing."""

    began_ms: int
    examiner: Examiner | None
    joules: Callable[[], float]
    rounds: list[RoundFacts] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    height: int = 0
    hash: bytes = b""
    state: ChainState | None = None
    """After the last block."""
    _proposed_ms: dict[int, int] = field(default_factory=dict)

    def note(self, note: Note, now_ms: int) -> None:
        """A validator says what happened."""
        if note.event != "proposed":
            return
        height = int(note.fields["height"])
        if height > self.height:
            self._proposed_ms.setdefault(height, now_ms)
            return
        self.rounds[:] = [self._timed(one, now_ms) if one.height == height else one for one in self.rounds]

    def _timed(self, facts: RoundFacts, proposed_ms: int) -> RoundFacts:
        """Processes are heard one after the other: another validator may have told of the end first."""
        passed_ms = self.began_ms + facts.closed_ms - proposed_ms
        if facts.finality_ms is not None or passed_ms < 0:
            return facts
        return replace(facts, finality_ms=passed_ms)

    def refused(self, refused: Refused) -> None:
        """A validator did not accept something."""
        self.refusals[f"validator: {refused.reason.value}"] += 1

    def balances(self) -> dict[bytes, int]:
        """What each account has earned, by key."""
        accounts = () if self.state is None else self.state.accounts
        return {one.public_key: one.balance for one in accounts}

    def final(self, effect: StoreFinal, now_ms: int) -> None:
        """A block is final."""
        height = effect.header.height
        if height <= self.height:
            return
        self.height, self.hash, self.state = height, effect.header_hash, effect.state
        proposed_ms = self._proposed_ms.get(height)
        for old in [at for at in self._proposed_ms if at <= height]:
            del self._proposed_ms[old]
        if effect.model is None:
            return
        self.rounds.append(
            RoundFacts(
                round=effect.state.learning.round - 1,
                height=height,
                closed_ms=now_ms - self.began_ms,
                updates=len(effect.inclusions),
                accuracy=None if self.examiner is None else self.examiner.accuracy(effect.model),
                finality_ms=None if proposed_ms is None else now_ms - proposed_ms,
                joules=self.joules(),
            )
        )
