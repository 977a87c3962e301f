"""Which handoffs to show: the fewest that lead a device from its validator set to a later one [HND-3].

Who plans knows who signed what; who verifies need not search. Used by validators that answer, and by devices
that write proofs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from edge_client.protocol.handoff import HANDOFFS_MAX, Handoff, TrustedSet

EPOCHS_PLANNED_MAX = 256
"""Over which one answer leads; from there the device asks again."""


def answer_handoffs(first: int, last: int, lookup: Callable[[int], Handoff | None]) -> tuple[Handoff, ...]:
    """Handoffs from the set of epoch `first` towards that after epoch `last`; fewer when there are too many,
    none when that of `first` is not there."""
    found = []
    for epoch in range(first, min(last + 1, first + EPOCHS_PLANNED_MAX)):
        handoff = lookup(epoch)
        if handoff is None:
            break
        found.append(handoff)
    if not found:
        return ()
    return plan(TrustedSet(first, found[0].sets.signing), found)[:HANDOFFS_MAX]


def plan(trusted: TrustedSet, handoffs: Sequence[Handoff]) -> tuple[Handoff, ...]:
    """The fewest of these handoffs, in ascending order of their epochs, that lead a device from the trusted
    set to the one after the last of them; none when they do not."""
    places = _places(trusted, handoffs)
    came_from, reached = {0: 0}, [0]
    for at in reached:
        if at == len(handoffs):
            break
        for to in range(len(handoffs), at, -1):
            if to not in came_from and places[at].takes(places[to]):
                came_from[to] = at
                reached.append(to)
    steps, at = [], len(handoffs) if len(handoffs) in came_from else 0
    while at > 0:
        steps.append(handoffs[at - 1])
        at = came_from[at]
    return tuple(reversed(steps))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a handoff leads, with sets of keys as bits: the epoch that ends and who signed that, and who has
    a seat from there on."""

    epoch: int
    signers: int
    members: int

    def takes(self, later: _Place) -> bool:
        """Whether a device that is here takes the later handoff."""
        adjacent = later.epoch == self.epoch + 1
        return adjacent or 3 * (self.members & later.signers).bit_count() > self.members.bit_count()


def _places(trusted: TrustedSet, handoffs: Sequence[Handoff]) -> list[_Place]:
    """The start, then every handoff."""
    numbers: dict[bytes, int] = {}

    def bits(keys: Iterable[bytes]) -> int:
        return sum(1 << numbers.setdefault(key, len(numbers)) for key in keys)

    start = _Place(trusted.epoch - 1, 0, bits(trusted.validators.keys))
    return [start, *(_Place(one.epoch, bits(one.signer_keys), bits(one.sets.next.keys)) for one in handoffs)]
