"""How far two rehearsals of one fleet and seed agree: a simulated and an emulated one.

Who trained is compared by device and round. Draws are the same both ways, but an emulated clock is a real
one: a device whose gates open in the last seconds of a round begins in it one way, and in the next the other.
Such work counts as moved, not as missing, unless there is more of it than the edges of rounds explain.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_profiles.report.record import RunRecord

MOVED_SHARE_MAX = 0.05


@dataclass(frozen=True, slots=True)
class Agreement:
    """Over the `rounds` that both have closed. `work` is how often a device made an update for one of them,
    both ways together. `moved`: how many of these it made for the round before or after in the other.
    `apart`: (round, device) of those it did not make at all in the other. `joules` is the difference as a
    share of the first's, `accuracy` the difference after the last of the rounds; None where there is nothing
    to compare."""

    rounds: int
    work: int
    moved: int
    apart: tuple[tuple[int, int], ...]
    joules: float | None
    accuracy: float | None

    @property
    def who_trained(self) -> bool:
        """The same devices, each as often, in the same rounds but for the few that moved by one."""
        return self.work > 0 and not self.apart and self.moved <= MOVED_SHARE_MAX * self.work


def agreement(first: RunRecord, second: RunRecord) -> Agreement:
    """Of two that lasted the same time."""
    rounds = min(len(first.rounds), len(second.rounds))
    pairs = [_pairs(one, rounds + 1) for one in (first, second)]
    alone = [one - other for one, other in (pairs, pairs[::-1])]
    moved = _moved(*alone)
    apart = {pair for pair in (alone[0] | alone[1]) - moved if pair[0] <= rounds}
    after = [one.rounds[rounds - 1].accuracy if rounds else None for one in (first, second)]
    return Agreement(
        rounds=rounds,
        work=sum(number <= rounds for number, _ in pairs[0] | pairs[1]),
        moved=len(moved) // 2,
        apart=tuple(sorted(apart)),
        joules=abs(first.joules - second.joules) / first.joules if first.joules else None,
        accuracy=None if after[0] is None or after[1] is None else abs(after[0] - after[1]),
    )


def _pairs(record: RunRecord, rounds: int) -> set[tuple[int, int]]:
    """(Round, device); of the round after these, too: what belongs to the last may have moved there."""
    return {(number, device) for number, who in enumerate(record.trained[:rounds], 1) for device in who}


def _moved(first: set[tuple[int, int]], second: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of the first that the same device has in the second a round earlier or later, with these; each
    answers for one."""
    found, left = set[tuple[int, int]](), set(second)
    for number, device in sorted(first):
        other = next((one for one in ((number - 1, device), (number + 1, device)) if one in left), None)
        if other is not None:
            left.remove(other)
            found |= {(number, device), other}
    return found
