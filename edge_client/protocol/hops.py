"""Which handoffs to show: the fewest that lead a device from its validator set to a later one [HND-3].

Who plans knows who signed what; who verifies need not search. Used by validators that answer, and by devices
that write proofs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_client.protocol.handoff import HANDOFFS_MAX, Handoff

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
    return plan(found)[:HANDOFFS_MAX]


def plan(handoffs: Sequence[Handoff]) -> tuple[Handoff, ...]:
    """The fewest of these handoffs, of consecutive epochs, that lead a device that trusts the set of the
    first one to the set after the last. Each epoch's own handoff always leads one on."""
    places = _places(handoffs)
    came_from = {0: 0}
    reached = [0]
    for at in reached:
        if at == len(places):
            break
        for to in range(len(places) - 1, at - 1, -1):
            if to + 1 not in came_from and (to == at or places[at].trusts(places[to])):
                came_from[to + 1] = at
                reached.append(to + 1)
    steps, at = [], len(places)
    while at > 0:
        steps.append(handoffs[at - 1])
        at = came_from[at]
    return tuple(reversed(steps))


@dataclass(frozen=True, slots=True)
class _Place:
    """A handoff as two bit sets of keys: whose set it is, and who signed."""

    members: int
    signers: int

    def trusts(self, later: _Place) -> bool:
        """Whether more than a third of this set signed the later handoff."""
        return 3 * (self.members & later.signers).bit_count() > self.members.bit_count()


def _places(handoffs: Sequence[Handoff]) -> list[_Place]:
    numbers: dict[bytes, int] = {}

    def bits(keys: frozenset[bytes]) -> int:
        return sum(1 << numbers.setdefault(key, len(numbers)) for key in keys)

    return [_Place(bits(frozenset(one.sets.signing.keys)), bits(one.signer_keys)) for one in handoffs]
