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

    def worst_ratio(self, name: str, policy: Policy, against: Policy) -> float | None:
        """Of a figure of `Score`: the largest quotient over all settings; None where one is missing."""
        pairs = [(self.score(policy, one), self.score(against, one)) for one in self.settings]
        found = [_quotient(mine, other, name) for mine, other in pairs if mine and other]
        return max(found, default=None) if len(found) == len(pairs) else None


def _quotient(mine: Score, other: Score, name: str) -> float:
    above, below = float(getattr(mine, name)), float(getattr(other, name))
    return above / below if below else float("inf")


def compare(outcomes: Sequence[Outcome], target_share: float = TARGET_SHARE) -> Comparison:
    """Score what was rehearsed; the reference is naive, or the first policy there is. Raises `ValueError`
    without outcomes, and when nothing was learned."""
    if not outcomes:
        raise ValueError("nothing was rehearsed")
    policies = tuple(dict.fromkeys(one.case.policy for one in outcomes))
    reference = Policy.NAIVE if Policy.NAIVE in policies else policies[0]
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
    return setting != Situation(0, AS_GIVEN).setting, setting


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
