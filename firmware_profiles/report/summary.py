"""From what was counted to the facts of a report; the same for simulated and emulated fleets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firmware_profiles.profiles.fleet import Fleet, Group
from firmware_profiles.report import words
from firmware_profiles.report.chain_log import ChainLog
from firmware_profiles.report.record import GroupFacts, RunRecord
from firmware_profiles.report.software import software
from firmware_profiles.report.tally import DeviceTally, Tally
from firmware_profiles.twin.members import Member

HOUR_MS = 3_600_000
TRAINED_MAX = 50_000
"""Of `RunRecord.trained`, in all rounds together; counts go on in the groups."""


@dataclass(frozen=True, slots=True)
class Run:
    """How it was rehearsed; see `RunRecord`."""

    mode: str
    seed: int
    training: str
    span_ms: int
    wall_s: float
    policy: str = "ours"
    speed: float | None = None


@dataclass(frozen=True, slots=True)
class Crew:
    """Who took part: the fleet, its members, and the label that each has most of."""

    fleet: Fleet
    members: Sequence[Member]
    labels: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was counted, and the account of each device that was."""

    tally: Tally
    log: ChainLog
    accounts: Mapping[int, bytes]

    def rewards(self) -> dict[int, int]:
        """What each device has earned."""
        balances = self.log.balances()
        return {number: balances.get(key, 0) for number, key in self.accounts.items()}


def summary(run: Run, crew: Crew, seen: Seen) -> RunRecord:
    """The facts of one rehearsal."""
    tally, log, fleet, rewards = seen.tally, seen.log, crew.fleet, seen.rewards()
    groups = {
        group.name: [one for one in crew.members if one.group.name == group.name] for group in fleet.groups
    }
    labels: Counter[str] = Counter(dict.fromkeys(crew.labels.values(), 0))
    for member in crew.members:
        labels[crew.labels[member.number]] += tally.of(member.number).included
    return RunRecord(
        title=f"{fleet.title}: {fleet.devices:,} devices, {words.duration(run.span_ms)}, seed {run.seed}",
        mode=run.mode,
        policy=run.policy,
        fleet=fleet.title,
        seed=run.seed,
        training=run.training,
        devices=fleet.devices,
        validators=fleet.job.validators,
        span_ms=run.span_ms,
        wall_s=round(run.wall_s, 1),
        speed=run.speed,
        software=software(),
        rounds=tuple(log.rounds),
        groups=tuple(_group(group, groups[group.name], tally, rewards) for group in fleet.groups),
        participation=tuple(_columns(groups[group.name], tally, run.span_ms) for group in fleet.groups),
        trained=tally.who(TRAINED_MAX),
        traces=tally.traced(),
        bytes_up=dict(sorted(tally.bytes_up.items())),
        bytes_down=dict(sorted(tally.bytes_down.items())),
        refusals=dict(sorted((tally.refusals + log.refusals).items())),
        fates=dict(sorted(tally.fates.items())),
        faults=tally.injected.faults(),
        fault_counts=dict(sorted(tally.injected.counts.items())),
        labels=dict(sorted(labels.items())),
        heads_verified=tally.notes["head"],
        final_height=log.height,
        final_hash=log.hash.hex(),
        final_accuracy=log.rounds[-1].accuracy if log.rounds else None,
    )


def _group(group: Group, members: Sequence[Member], tally: Tally, rewards: Mapping[int, int]) -> GroupFacts:
    own = [tally.of(member.number) for member in members]
    closed: Counter[str] = Counter()
    for one in own:
        closed.update(one.gates_closed_ms)
    return GroupFacts(
        name=group.name,
        board=group.board,
        devices=len(own),
        trained=sum(bool(one.rounds) for one in own),
        updates=sum(len(one.rounds) for one in own),
        included=sum(one.included for one in own),
        joules_training=round(sum(one.joules_training for one in own), 1),
        joules_radio=round(sum(one.joules_radio for one in own), 1),
        joules_board=round(sum(one.joules_board for one in own), 1),
        rewards=sum(rewards.get(member.number, 0) for member in members),
        floor_breaks=sum(one.floor_breaks for one in own),
        empty_batteries=sum(one.empty_batteries for one in own),
        gates_closed_h={gate: round(ms / HOUR_MS, 2) for gate, ms in sorted(closed.items())},
    )


def _columns(members: Sequence[Member], tally: Tally, span_ms: int) -> tuple[int, ...]:
    """Included updates of a group, by the span of time in which they were trained."""
    spans: Counter[int] = Counter()
    for member in members:
        found: DeviceTally = tally.of(member.number)
        spans.update(found.spans)
    return tuple(spans[column] for column in range(-(-span_ms // tally.span_ms)))
