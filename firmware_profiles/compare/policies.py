"""Policies: what all owners of a fleet set. The software is the same under each of them."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from edge_client.core.bursts import Sleep
from edge_client.core.conditions.limits import GATES, MINUTES_A_DAY, ROUNDS_A_DAY_MAX, Limits
from firmware_profiles.profiles.fleet import Fleet


class Policy(str, Enum):
    """See docs/FLEETS.md, "Policies", for what each is and why it is fair."""

    NAIVE = "naive"
    """Always connected, and trains whenever it is asked."""
    UNGATED = "ungated"
    """Trains whenever it is asked, but sleeps between rounds as ours: the part of the gates alone."""
    ANDROID = "android"
    """Charging, unmetered and idle."""
    OURS = "ours"
    """The fleet file's settings."""

    @property
    def sleep(self) -> Sleep:
        """When the link is given up between rounds."""
        return Sleep.NEVER if self is Policy.NAIVE else Sleep.AUTO


ANDROID_SESSION_MIN = 10
"""What its scheduler gives a job before it stops it."""


def fleet_under(policy: Policy, fleet: Fleet) -> Fleet:
    """The same fleet with other settings of its owners. The floor by which broken batteries are counted stays
    the owner's: no policy moves `battery_stop_pct`."""
    groups = tuple(replace(group, limits=limits_under(policy, group.limits)) for group in fleet.groups)
    return replace(fleet, groups=groups)


def limits_under(policy: Policy, limits: Limits) -> Limits:
    """What one owner's limits become."""
    if policy is Policy.OURS:
        return limits
    if policy is Policy.ANDROID:
        return replace(
            limits,
            require_mains=True,
            metered=False,
            rounds_a_day=ROUNDS_A_DAY_MAX,
            session_min=ANDROID_SESSION_MIN,
        )
    return replace(limits, ignore=GATES, session_min=MINUTES_A_DAY)
