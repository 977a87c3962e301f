"""The validator sets a device can verify with: that of its tip's epoch, and later ones handoffs led to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge_client.protocol.handoff import Handoff, TrustedSet
from edge_client.protocol.header import Header
from edge_client.protocol.validators import ValidatorSet

SETS_MAX = 1024
"""Epochs a device may be behind and still walk there header by header; it keeps this many sets meanwhile."""


class TrustedSets:
    """Grows by verified handoffs, shrinks when the tip enters a later epoch."""

    def __init__(self, signing: TrustedSet, handoffs: Iterable[Handoff] = ()) -> None:
        """`signing` is the set of the tip's epoch; `handoffs` were verified before."""
        self._sets = {signing.epoch: signing.validators}
        self._boundaries: dict[int, Header] = {}
        for handoff in handoffs:
            self.adopt(handoff)

    @property
    def signing(self) -> TrustedSet:
        """The set of the tip's epoch."""
        epoch = min(self._sets)
        return TrustedSet(epoch, self._sets[epoch])

    @property
    def latest(self) -> TrustedSet:
        """The set of the latest epoch that is known."""
        epoch = max(self._sets)
        return TrustedSet(epoch, self._sets[epoch])

    def of(self, epoch: int) -> ValidatorSet | None:
        """The set of this epoch, if it is known."""
        return self._sets.get(epoch)

    def nearest(self, epoch: int) -> TrustedSet | None:
        """The latest known set that is not of a later epoch; None below the tip's."""
        known = max((one for one in self._sets if one <= epoch), default=None)
        return None if known is None else TrustedSet(known, self._sets[known])

    def until(self, epoch: int) -> list[TrustedSet]:
        """All known sets that are not of a later epoch, the latest first."""
        known = sorted((one for one in self._sets if one <= epoch), reverse=True)
        return [TrustedSet(one, self._sets[one]) for one in known]

    def adopt(self, handoff: Handoff) -> None:
        """Remember what a *verified* handoff shows: its own set, the next one, and where its epoch ends."""
        self._sets[handoff.epoch] = handoff.sets.signing
        self._sets[handoff.epoch + 1] = handoff.sets.next
        self._boundaries[handoff.header.height] = handoff.header
        while len(self._sets) > SETS_MAX:
            del self._sets[sorted(self._sets)[1]]

    def contradicts(self, headers: Sequence[Header]) -> bool:
        """Whether a run of linked headers ends an epoch at another block than its handoff does."""
        first, last = headers[0], headers[-1]
        for boundary in self._boundaries.values():
            at = boundary.height - first.height
            if 0 <= at < len(headers):
                if headers[at] != boundary:
                    return True
                if at + 1 < len(headers) and headers[at + 1].epoch == boundary.epoch:
                    return True
            elif boundary.height > last.height and last.epoch > boundary.epoch:
                return True
        return False

    def boundary(self, epoch: int) -> Header | None:
        """The last header of an epoch, if a handoff showed one above the tip."""
        return next((one for one in self._boundaries.values() if one.epoch == epoch), None)

    def copy(self) -> TrustedSets:
        """To try handoffs on."""
        twin = TrustedSets(self.signing)
        twin._sets, twin._boundaries = dict(self._sets), dict(self._boundaries)
        return twin

    def enter(self, epoch: int, height: int) -> None:
        """The tip is of this epoch and height: what lies before is not needed any more."""
        if min(self._sets) < epoch:
            self._sets = {one: held for one, held in self._sets.items() if one >= epoch}
        if self._boundaries:
            self._boundaries = {at: one for at, one in self._boundaries.items() if at > height}
