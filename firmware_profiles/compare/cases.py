"""What is rehearsed in a comparison: each policy under each situation, and the fleet for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from firmware_profiles.compare.policies import Policy, fleet_under
from firmware_profiles.profiles.fleet import Fleet

MOVED = ("battery", "solar", "dropout", "rate")
"""Parameters of a fleet that nobody knows well."""
FACTORS = (0.7, 1.3)
AS_GIVEN = ""
DEVICES_ASKED_MIN = 8
"""In a round of a fleet that was made smaller: with fewer, luck decides what is learned."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the policies meet: the fleet of this seed, one parameter moved by a factor (`AS_GIVEN`: none)."""

    seed: int
    moved: str = AS_GIVEN
    factor: float = 1.0

    @property
    def setting(self) -> str:
        """What is the same for all seeds."""
        return f"{self.moved} x{self.factor:g}" if self.moved else "as given"


@dataclass(frozen=True, slots=True)
class Case:
    """One run."""

    policy: Policy
    situation: Situation

    @property
    def name(self) -> str:
        """Names the run in results."""
        return f"{self.policy.value}, {self.situation.setting}, seed {self.situation.seed}"

    def fleet(self, fleet: Fleet) -> Fleet:
        """The fleet as this run needs it. All draws are those of the seed, whatever the policy."""
        at = self.situation
        moved = fleet.scaled(**{at.moved: getattr(fleet.scale, at.moved) * at.factor}) if at.moved else fleet
        return replace(fleet_under(self.policy, moved), seed=at.seed)


def parameters(fleet: Fleet) -> tuple[str, ...]:
    """Those of `MOVED` that this fleet has: without panels there is no sun to move, without batteries no
    capacity."""
    absent = {
        "battery": not any(group.battery for group in fleet.groups),
        "solar": not any(group.panel for group in fleet.groups),
    }
    return tuple(name for name in MOVED if not absent.get(name, False))


def cases(
    policies: Sequence[Policy], seeds: int, moved_seeds: int, moved: Sequence[str] = MOVED
) -> tuple[Case, ...]:
    """Seeds 1 to `seeds` of the fleet as given, then 1 to `moved_seeds` with each parameter moved. The
    policies of one situation follow each other, and all that is moved comes before the next seed: who stops a
    comparison has whole ones."""
    situations = [Situation(seed) for seed in range(1, seeds + 1)]
    situations += [
        Situation(seed, name, factor)
        for seed in range(1, moved_seeds + 1)
        for name in moved
        for factor in FACTORS
    ]
    return tuple(Case(policy, one) for one in situations for policy in policies)


def smaller(fleet: Fleet, devices: int) -> Fleet:
    """The same mix with so many devices, of which the same share is asked in a round; raises `ValueError`."""
    job, share = fleet.job, devices / fleet.devices
    share = max(share, DEVICES_ASKED_MIN / (job.selected or job.k))
    k, selected = round(job.k * share), round(job.selected * share)
    min_updates = max(1, round(job.min_updates * share))
    return replace(fleet.resized(devices), job=replace(job, k=k, selected=selected, min_updates=min_updates))
