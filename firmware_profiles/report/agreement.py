"""How far two rehearsals of one fleet and seed agree: a simulated and an emulated one."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_profiles.report.record import RunRecord


@dataclass(frozen=True, slots=True)
class Agreement:
    """`work` counts pairs of a device and a round, closed both ways, for which it made an update in one of
    the two; `apart` names those (round, device) that are in one only. `joules` is the difference as a share
    of the first's, `accuracy` the difference after the last round that was closed both ways; None where there
    is nothing to compare."""

    rounds: int
    work: int
    apart: tuple[tuple[int, int], ...]
    joules: float | None
    accuracy: float | None

    @property
    def who_trained(self) -> bool:
        """The same devices in each of the rounds."""
        return self.work > 0 and not self.apart


def agreement(first: RunRecord, second: RunRecord) -> Agreement:
    """Of two that lasted the same time. A round that only one has closed may still be worked on in the other,
    so it is not asked who trained in it."""
    rounds = min(len(first.rounds), len(second.rounds))
    pairs = [
        {(number, device) for number, who in enumerate(one.trained[:rounds], 1) for device in who}
        for one in (first, second)
    ]
    after = [one.rounds[rounds - 1].accuracy if rounds else None for one in (first, second)]
    return Agreement(
        rounds=rounds,
        work=len(pairs[0] | pairs[1]),
        apart=tuple(sorted(pairs[0] ^ pairs[1])),
        joules=abs(first.joules - second.joules) / first.joules if first.joules else None,
        accuracy=None if after[0] is None or after[1] is None else abs(after[0] - after[1]),
    )
