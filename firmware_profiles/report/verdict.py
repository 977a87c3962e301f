"""The result in words and the few figures that come first on a page."""

from __future__ import annotations

from firmware_profiles.report import words
from firmware_profiles.report.measures import (
    bytes_total,
    empty_batteries,
    finality_ms,
    floor_breaks,
    lost_updates,
    quantile,
    trained,
)
from firmware_profiles.report.record import RunRecord


def verdict(record: RunRecord) -> str:
    """One sentence: `10,000 boards, 24 h: 96 rounds, accuracy 0.93, no battery under the owner's floor`."""
    breaks, empty = floor_breaks(record), empty_batteries(record)
    parts = [
        words.counted(len(record.rounds), "round", "rounds"),
        "accuracy not known" if record.final_accuracy is None else f"accuracy {record.final_accuracy:.2f}",
        f"{_none_or(breaks, 'battery', 'batteries')} under the owner's floor",
        f"{_none_or(empty, 'battery', 'batteries')} empty",
        f"{words.energy(record.joules / max(1, record.devices))} a board for training and radio",
    ]
    boards = words.counted(record.devices, "board", "boards")
    return f"{boards}, {words.duration(record.span_ms)}: {', '.join(parts)}."


def second_sentence(record: RunRecord) -> str:
    """Who took part, and what was in vain."""
    some = trained(record)
    lost = lost_updates(record)
    share = words.percent(some / max(1, record.devices))
    return (
        f"{words.counted(some, 'board', 'boards')} ({share}) trained; "
        f"{words.counted(lost, 'update', 'updates')} came to nothing; "
        f"{words.counted(sum(record.fault_counts.values()), 'fault', 'faults')} injected."
    )


def key_figures(record: RunRecord) -> list[tuple[str, str]]:
    """Value and what it is, for the row of tiles."""
    boards = max(1, record.devices)
    times = finality_ms(record)
    figures = [
        (words.count(len(record.rounds)), "rounds"),
        (
            "?" if record.final_accuracy is None else words.decimal(record.final_accuracy, 3),
            "accuracy at the end",
        ),
        (words.count(trained(record)), f"of {words.count(record.devices)} boards trained"),
        (words.energy(record.joules / boards), "training and radio, a board"),
        (words.energy(record.joules_board / boards), "all of a board, with idling"),
        (words.size(bytes_total(record) / boards), "sent and received, a board"),
        (words.count(floor_breaks(record)), "batteries under the floor"),
    ]
    if times:
        figures.append((words.duration(quantile(times, 0.5)), "finality (median)"))
    return figures


def _none_or(number: int, one: str, many: str) -> str:
    return f"no {one}" if number == 0 else words.counted(number, one, many)
