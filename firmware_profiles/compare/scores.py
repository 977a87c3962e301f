"""From the outcomes of all runs to one row for each policy and setting.

The target is said beforehand: a share of what the reference policy ends with in the same situation (same
seed, same parameters), so each situation has its own. A run that does not get there counts with its whole
span and all its joules, which flatters it, and is shown as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from firmware_profiles.compare.cases import AS_GIVEN, Situation
from firmware_profiles.compare.outcome import Outcome
from firmware_profiles.compare.policies import Policy

TARGET_SHARE = 0.9
HOUR_MS = 3_600_000
AS_GIVEN_NAME = Situation(0, AS_GIVEN).setting


@dataclass(frozen=True, slots=True)
class Score:
    """One policy in one setting: means over its `runs`; batteries are sums. `reached`: runs that came to the
    target. Joules beside idling, all devices."""

    policy: Policy
    setting: str
    runs: int
    reached: int
    hours: float
    joules: float
    joules_whole_run: float
    final_accuracy: float
    megabytes: float
    floor_breaks: int
    empty_batteries: int
    updates: float
    lost: float
    trained: float
    fairness_labels: float
    fairness_boards: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """All scores, those of the fleet as given first; `reference` is the policy that sets the targets."""

    reference: Policy
    target_share: float
    scores: tuple[Score, ...]

    @property
    def settings(self) -> tuple[str, ...]:
        """In their order."""
        return tuple(dict.fromkeys(one.setting for one in self.scores))

    def score(self, policy: Policy, setting: str) -> Score | None:
        """The row, if the policy was rehearsed in this setting."""
        found = (one for one in self.scores if (one.policy, one.setting) == (policy, setting))
        return next(found, None)

    def ratio(self, name: str, policy: Policy, against: Policy, setting: str) -> float | None:
        """Of a figure of `Score` in one setting; None where one is missing."""
        mine, other = self.score(policy, setting), self.score(against, setting)
        return _quotient(mine, other, name) if mine and other else None

    def worst_ratio(self, name: str, policy: Policy, against: Policy) -> float | None:
        """Of a figure of `Score`: the largest quotient over all settings; None where one is missing."""
        found = [self.ratio(name, policy, against, one) for one in self.settings]
        known = [one for one in found if one is not None]
        return max(known, default=None) if len(known) == len(found) else None

    def against_others(self) -> list[tuple[str, float, float]]:
        """Each other policy, with the worst ratios of ours to it in time and joules to the accuracy."""
        rows = []
        for other in dict.fromkeys(one.policy for one in self.scores if one.policy is not Policy.OURS):
            hours = self.worst_ratio("hours", Policy.OURS, other)
            joules = self.worst_ratio("joules", Policy.OURS, other)
            if hours is not None and joules is not None:
                rows.append((other.value, hours, joules))
        return rows


def _quotient(mine: Score, other: Score, name: str) -> float:
    above, below = float(getattr(mine, name)), float(getattr(other, name))
    return above / below if below else float("inf")


def compare(outcomes: Sequence[Outcome], target_share: float = TARGET_SHARE) -> Comparison:
    """Score what was rehearsed; the reference is naive, or the first policy there is. Raises `ValueError`
    without outcomes, and when nothing was learned."""
    if not outcomes:
        raise ValueError("nothing was rehearsed")
    policies = tuple(dict.fromkeys(one.case.policy for one in outcomes))
    reference = _reference(outcomes)
    targets = _targets(outcomes, reference, target_share)
    settings = sorted({one.case.situation.setting for one in outcomes}, key=_as_given_first)
    rows = []
    for setting in settings:
        for policy in policies:
            own = [
                one
                for one in outcomes
                if (one.case.policy, one.case.situation.setting) == (policy, setting)
                and one.case.situation in targets
            ]
            if own:
                rows.append(_score(policy, setting, own, targets))
    return Comparison(reference, target_share, tuple(rows))


def single_runs(outcomes: Sequence[Outcome], target_share: float = TARGET_SHARE) -> tuple[Score, ...]:
    """A row for each run of the fleet as given: what its means are made of. Raises as `compare`."""
    given = [one for one in outcomes if one.case.situation.moved == AS_GIVEN]
    if not given:
        return ()
    targets = _targets(given, _reference(given), target_share)
    cases = [(one, one.case.policy, one.case.situation) for one in given if one.case.situation in targets]
    return tuple(_score(policy, at.setting, [one], targets) for one, policy, at in cases)


def _reference(outcomes: Sequence[Outcome]) -> Policy:
    policies = [one.case.policy for one in outcomes]
    return Policy.NAIVE if Policy.NAIVE in policies else policies[0]


def _targets(outcomes: Sequence[Outcome], reference: Policy, share: float) -> dict[Situation, float]:
    """Accuracy to reach, by situation; situations whose reference has not run are left out."""
    found = {}
    for one in outcomes:
        if one.case.policy is reference:
            final = one.final_accuracy
            if final is None:
                raise ValueError(f"{one.case.name}: no round was closed, so there is nothing to compare with")
            found[one.case.situation] = share * final
    return found


def _as_given_first(setting: str) -> tuple[bool, str]:
    return setting != AS_GIVEN_NAME, setting


def _score(policy: Policy, setting: str, own: Sequence[Outcome], targets: dict[Situation, float]) -> Score:
    ends = [one.reached(targets[one.case.situation]) for one in own]
    pairs = list(zip(ends, own, strict=True))
    return Score(
        policy=policy,
        setting=setting,
        runs=len(own),
        reached=sum(end is not None for end in ends),
        hours=fmean((end.closed_ms if end else one.span_ms) / HOUR_MS for end, one in pairs),
        joules=fmean(end.joules if end else one.joules for end, one in pairs),
        joules_whole_run=fmean(one.joules for one in own),
        final_accuracy=fmean(one.final_accuracy or 0.0 for one in own),
        megabytes=fmean(one.bytes / 1e6 for one in own),
        floor_breaks=sum(one.floor_breaks for one in own),
        empty_batteries=sum(one.empty_batteries for one in own),
        updates=fmean(one.updates for one in own),
        lost=fmean(one.lost for one in own),
        trained=fmean(one.trained for one in own),
        fairness_labels=fmean(one.fairness_labels or 0.0 for one in own),
        fairness_boards=fmean(one.fairness_boards or 0.0 for one in own),
    )
