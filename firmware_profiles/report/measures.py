"""Figures that follow from the facts of a rehearsal: how soon, for how much, and shared how evenly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge_client.core.events import Fate
from firmware_profiles.report.record import RoundFacts, RunRecord

KEPT = frozenset({Fate.INCLUDED.value, Fate.PENDING.value})
"""Fates of updates that were not in vain, or not yet."""


def reached(record: RunRecord, accuracy: float) -> RoundFacts | None:
    """The first round whose model was at least so good; None if none was."""
    return next((one for one in record.rounds if one.accuracy is not None and one.accuracy >= accuracy), None)


def trained(record: RunRecord) -> int:
    """Devices that sent at least one update."""
    return sum(group.trained for group in record.groups)


def bytes_total(record: RunRecord) -> int:
    """Both directions, all devices."""
    return sum(record.bytes_up.values()) + sum(record.bytes_down.values())


def empty_batteries(record: RunRecord) -> int:
    """Batteries that ran empty."""
    return sum(group.empty_batteries for group in record.groups)


def floor_breaks(record: RunRecord) -> int:
    """Batteries that were below their owner's floor while the board trained."""
    return sum(group.floor_breaks for group in record.groups)


def lost_updates(record: RunRecord) -> int:
    """Updates that were settled without being included: work for nothing."""
    return sum(number for fate, number in record.fates.items() if fate not in KEPT)


def fairness_of_labels(record: RunRecord) -> float | None:
    """Jain's index of included updates over labels; None without labels."""
    return evenness([(number, 1) for number in record.labels.values()])


def fairness_of_boards(record: RunRecord) -> float | None:
    """Jain's index of included updates a board over all boards, each with the mean of its group."""
    return evenness(
        [(group.included / group.devices, group.devices) for group in record.groups if group.devices]
    )


def evenness(shares: Iterable[tuple[float, int]]) -> float | None:
    """Jain's index of values with how often each occurs: 1 if all are equal, 1/n if one has everything."""
    pairs = list(shares)
    number = sum(times for _, times in pairs)
    squares = sum(times * value * value for value, times in pairs)
    if not number or not squares:
        return None
    total = sum(times * value for value, times in pairs)
    return total * total / (number * squares)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed; `values` is not empty."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def finality_ms(record: RunRecord) -> list[int]:
    """Of the rounds where it is known, from the proposal to the certificate."""
    return [one.finality_ms for one in record.rounds if one.finality_ms is not None]
