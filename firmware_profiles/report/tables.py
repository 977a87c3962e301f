"""The tables of a page that belong to no plot."""

from __future__ import annotations

from collections.abc import Mapping

from firmware_profiles.report import words
from firmware_profiles.report.axes import Clock
from firmware_profiles.report.chart import Table
from firmware_profiles.report.record import GroupFacts, RunRecord

FAULTS_MAX = 200
"""Rows; the rest stands in `report.json`."""
REASONS_MAX = 100
GROUPS_MAX = 200


def groups(record: RunRecord) -> Table:
    """What became of each group, and of all."""
    header = ("group", "board", "boards", "trained", "updates", "included",
              "training, a board", "radio, a board", "all with idling",
              "rewards", "under the floor", "empty")  # fmt: skip
    rows = [_group(one) for one in record.groups[:GROUPS_MAX]]
    if len(record.groups) > 1:
        rows.append(_group(_all(record)))
    return Table.of(header, rows)


def reasons(numbers: Mapping[str, int], what: str) -> Table:
    """Counts by reason, the most frequent first."""
    ordered = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))[:REASONS_MAX]
    return Table.of((what, "times"), ((words.name(name), words.count(number)) for name, number in ordered))


def fault_kinds(record: RunRecord) -> Table:
    """How many faults of each kind."""
    return reasons(record.fault_counts, "kind")


def faults(record: RunRecord) -> Table:
    """Fault by fault, the first ones."""
    clock = Clock(record.span_ms)
    rows = [
        (clock.words(one.at_ms), words.name(one.kind), words.name(one.what))
        for one in record.faults[:FAULTS_MAX]
    ]
    more = sum(record.fault_counts.values()) - len(rows)
    if more > 0:
        rows.append(("…", f"{words.count(more)} more", "the first of each kind are in report.json"))
    return Table.of(("at", "kind", "what"), rows, is_words=True)


def circumstances(record: RunRecord) -> Table:
    """How it was run, so that it can be run again."""
    how = "as fast as it went" if record.speed is None else f"the clock {record.speed:g} times as fast"
    return Table(
        ("what", "value"),
        (
            ("command", words.line(record.command) if record.command else "none: a program of its own"),
            ("fleet", words.line(record.fleet)),
            ("mode", f"{words.name(record.mode)}, {how}"),
            ("policy", words.name(record.policy)),
            ("training", words.name(record.training)),
            ("seed", str(record.seed)),
            ("boards", words.count(record.devices)),
            ("validators", words.count(record.validators)),
            ("rehearsed time", words.duration(record.span_ms)),
            ("took", words.duration(record.wall_s * 1000)),
            ("heads verified by devices", words.count(record.heads_verified)),
            ("last block", f"{words.count(record.final_height)}"),
            ("hash of the last block", record.final_hash),
            ("software", words.line(record.software)),
        ),
        is_words=True,
    )


def _group(one: GroupFacts) -> tuple[str, ...]:
    boards = max(1, one.devices)
    return (
        words.name(one.name),
        words.name(one.board) if one.board else "",
        words.count(one.devices),
        f"{words.count(one.trained)} ({words.percent(one.trained / boards)})",
        words.count(one.updates),
        words.count(one.included),
        words.energy(one.joules_training / boards),
        words.energy(one.joules_radio / boards),
        words.energy(one.joules_board / boards),
        words.count(one.rewards),
        words.count(one.floor_breaks),
        words.count(one.empty_batteries),
    )


def _all(record: RunRecord) -> GroupFacts:
    def total(field: str) -> int:
        return sum(getattr(one, field) for one in record.groups)

    return GroupFacts(
        name="all",
        board="",
        devices=total("devices"),
        trained=total("trained"),
        updates=total("updates"),
        included=total("included"),
        joules_training=total("joules_training"),
        joules_radio=total("joules_radio"),
        joules_board=total("joules_board"),
        rewards=total("rewards"),
        floor_breaks=total("floor_breaks"),
        empty_batteries=total("empty_batteries"),
        gates_closed_h={},
    )
