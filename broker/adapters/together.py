"""Consecutive Persist effects become one, so that one synced transaction serves them all.

A consensus step often writes several things before it says one: a certificate and the vote it calls for, a
certificate and the block it makes final. Each sync costs milliseconds on a card, and all that Persist before
Send asks is that everything is on the disk before the next effect of another kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from broker.adapters.status_file import Reporting
from broker.core.effects import (
    AppendLog,
    InstallCheckpoint,
    StoreBlock,
    StoreFinal,
    StoreHandoffs,
    StoreHeaders,
    StoreOldBlock,
    StoreUpdate,
    StoreUpdateBody,
)
from broker.core.effects import ValidatorPersist as Persist
from broker.core.validator import ValidatorEffect, ValidatorEvent

_KINDS = (
    AppendLog,
    StoreBlock,
    StoreFinal,
    StoreUpdate,
    StoreUpdateBody,
    StoreHandoffs,
    StoreHeaders,
    InstallCheckpoint,
    StoreOldBlock,
)


@dataclass(frozen=True, slots=True)
class Together:
    """Write all of these, in this order, and return when they are durable."""

    effects: tuple[Persist, ...]


class Grouping:
    """The machine inside, with its Persist effects grouped."""

    def __init__(self, machine: Reporting) -> None:
        self._machine = machine

    def handle(self, event: ValidatorEvent, now_ms: int) -> list[ValidatorEffect | Together]:
        """See `Machine`."""
        return grouped(self._machine.handle(event, now_ms))

    def deadline(self) -> int | None:
        """See `Machine`."""
        return self._machine.deadline()


def grouped(effects: Iterable[ValidatorEffect]) -> list[ValidatorEffect | Together]:
    """The same effects in the same order, every run of Persist effects as one."""
    out: list[ValidatorEffect | Together] = []
    for is_persist, run in groupby(effects, _is_persist):
        if is_persist:
            out.append(Together(tuple(one for one in run if isinstance(one, _KINDS))))
        else:
            out += run
    return out


def _is_persist(effect: ValidatorEffect) -> bool:
    return isinstance(effect, _KINDS)
