"""How well the fleet learned: accuracy over time, with the faults, and over joules; updates of each round."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from firmware_profiles.report import words
from firmware_profiles.report.axes import Clock, quiet_lines, ticks_at
from firmware_profiles.report.chart import Chart, Table
from firmware_profiles.report.palette import BLUE, MUTED
from firmware_profiles.report.record import Fault, RoundFacts, RunRecord

MARKS_MAX = 200
"""Strokes of one kind of fault along an axis; more would be one bar."""
KINDS_MAX = 6
RARE = 8
"""Faults of a kind that is not more frequent are drawn through the whole plot."""


def learning(record: RunRecord) -> tuple[Chart, ...]:
    """The charts of this topic that the facts allow."""
    if not record.rounds:
        return ()
    known = [one for one in record.rounds if one.accuracy is not None]
    accuracy = (_over_time(record, known), _over_joules(record, known)) if known else ()
    return (*accuracy, _updates(record))


def _over_time(record: RunRecord, known: Sequence[RoundFacts]) -> Chart:
    clock = Clock(record.span_ms)
    kinds = fault_marks(record.faults, record.span_ms)

    def draw(figure: Figure) -> None:
        heights = [3.4, 0.26 * len(kinds)] if kinds else [1]
        grid = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
        upper, lowest = grid[0, 0], grid[-1, 0]
        _curve(upper, [clock.at(one.closed_ms) for one in known], known)
        if kinds:
            ticks_at(lowest, [(name, [clock.at(at) for at in marks]) for name, marks in kinds])
            for _, marks in kinds:
                quiet_lines(upper, [clock.at(at) for at in marks] if len(marks) <= RARE else [])
        clock.lay(lowest)

    rows = (
        (str(one.round), clock.words(one.closed_ms), _accuracy(one), words.count(one.updates),
         words.energy(one.joules), "" if one.finality_ms is None else words.duration(one.finality_ms))
        for one in record.rounds
    )  # fmt: skip
    return Chart(
        "accuracy-time",
        "Accuracy over time",
        f"Share of held-out samples, which no device trained on, that the model of each of "
        f"{words.counted(len(known), 'round', 'rounds')} classifies rightly"
        f"{'; below, when something was broken on purpose' if kinds else ''}.",
        draw,
        Table.of(("round", "closed at", "accuracy", "updates", "energy so far", "final after"), rows),
        height_in=2.9 + 0.24 * len(kinds),
    )


def _over_joules(record: RunRecord, known: Sequence[RoundFacts]) -> Chart:
    per_board = 1 / max(1, record.devices)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _curve(axes, [one.joules * per_board for one in known], known)
        axes.set_xlim(0)
        axes.set_xlabel("energy of training and radio, mean of all boards (J a board)")

    steps = sorted({round(10 * (one.accuracy or 0)) / 10 for one in known})
    firsts = [(step, next((one for one in known if (one.accuracy or 0) >= step), None)) for step in steps]
    rows = (
        (words.decimal(step, 1), words.energy(one.joules * per_board), words.energy(one.joules))
        for step, one in firsts
        if one is not None
    )
    return Chart(
        "accuracy-joules",
        "Accuracy over energy",
        "What the fleet had spent, beside idling, when its model was that good.",
        draw,
        Table.of(("accuracy reached", "energy a board", "energy of all"), rows),
    )


def _updates(record: RunRecord) -> Chart:
    clock = Clock(record.span_ms)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        xs = [clock.at(one.closed_ms) for one in record.rounds]
        axes.vlines(xs, 0, [one.updates for one in record.rounds], color=BLUE, linewidth=1.4)
        axes.set_ylim(0)
        axes.set_ylabel("updates")
        clock.lay(axes)

    numbers = [one.updates for one in record.rounds]
    rows = (
        ("fewest", words.count(min(numbers))),
        ("mean", words.decimal(sum(numbers) / len(numbers), 1)),
        ("most", words.count(max(numbers))),
        ("all", words.count(sum(numbers))),
    )
    return Chart(
        "updates",
        "Updates in each round",
        "How many boards' updates went into each model.",
        draw,
        Table(("of a round", "updates"), rows),
        height_in=1.9,
    )


def fault_marks(faults: Sequence[Fault], span_ms: int) -> list[tuple[str, list[int]]]:
    """When faults of each kind happened: at most one in each of equal spans; the rarest kinds first."""
    kinds: dict[str, dict[int, int]] = {}
    for fault in faults:
        column = fault.at_ms * MARKS_MAX // max(1, span_ms)
        kinds.setdefault(fault.kind, {}).setdefault(column, fault.at_ms)
    ordered = sorted(kinds.items(), key=lambda item: (len(item[1]), item[0]))
    return [(words.name(kind), sorted(marks.values())) for kind, marks in ordered[:KINDS_MAX]]


def _curve(axes: Axes, xs: Sequence[float], known: Sequence[RoundFacts]) -> None:
    ys = [one.accuracy or 0 for one in known]
    axes.plot(xs, ys, color=BLUE, marker="." if len(xs) < 60 else "", markersize=4)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("accuracy")
    axes.annotate(
        f"{ys[-1]:.3f}", (xs[-1], ys[-1]), xytext=(0, -11), textcoords="offset points", ha="right",
        fontsize=9, color=MUTED,
    )  # fmt: skip


def _accuracy(one: RoundFacts) -> str:
    return "" if one.accuracy is None else words.decimal(one.accuracy, 3)
