"""How each policy learned: accuracy over time and over energy, a line each, and thin ones for its seeds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from firmware_profiles.compare.charts import COLOURS
from firmware_profiles.compare.facts import ComparedFacts
from firmware_profiles.compare.outcome import Outcome, Step
from firmware_profiles.compare.policies import Policy
from firmware_profiles.report import words
from firmware_profiles.report.axes import Clock, separated
from firmware_profiles.report.chart import Chart, Table
from firmware_profiles.report.palette import DASHES

POINTS = 120
"""Of a mean line."""
SEEDS_MAX = 20
"""Thin lines of one policy; more would be a cloud."""
TABLE_ROWS = 8

Line = Sequence[tuple[float, float]]
"""Where along the bottom, and the accuracy from there on."""


def curves(facts: ComparedFacts) -> tuple[Chart, ...]:
    """Of the fleet as given; nothing when no model was measured."""
    given = [one for one in facts.outcomes if not one.case.situation.moved and one.steps]
    if not given:
        return ()
    clock = Clock(max(one.span_ms for one in given))
    boards = max(1, facts.circumstances.devices)
    over_time = _lines(given, lambda step: clock.at(step.closed_ms))
    over_joules = _lines(given, lambda step: step.joules / boards)
    note = "The mean of all seeds; thin, each seed. Held-out samples, which no board trained on."
    return (
        _chart(over_time, ("curve-time", "Accuracy over time", note), f"time since the start ({clock.unit})"),
        _chart(
            over_joules,
            ("curve-joules", "Accuracy over energy", f"{note} A line ends where the first of its runs ends."),
            "energy of training and radio (J a board)",
        ),
    )


def _lines(given: Sequence[Outcome], place: Callable[[Step], float]) -> dict[Policy, list[Line]]:
    found: dict[Policy, list[Line]] = {}
    for one in given:
        end = Step(one.span_ms, one.steps[-1].accuracy, one.joules)
        line = [(place(step), step.accuracy) for step in (*one.steps, end)]
        found.setdefault(one.case.policy, []).append(line)
    return found


def _chart(lines: dict[Policy, list[Line]], what: tuple[str, str, str], label: str) -> Chart:
    means = {policy: mean(some) for policy, some in lines.items()}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for number, (policy, some) in enumerate(lines.items()):
            _thin(axes, policy, some)
            xs, ys = zip(*means[policy], strict=True)
            axes.plot(
                xs, ys, color=COLOURS[policy], linewidth=2, linestyle=DASHES[number], label=policy.value
            )
        axes.legend(loc="lower right", ncols=len(lines))
        axes.set_xlim(0)
        axes.set_ylim(0, 1.02)
        axes.set_ylabel("accuracy")
        axes.set_xlabel(label)
        axes.xaxis.set_major_formatter(FuncFormatter(separated))

    name, title, note = what
    end = max(line[-1][0] for some in lines.values() for line in some)
    places = [end * number / TABLE_ROWS for number in range(1, TABLE_ROWS + 1)]
    rows = ((words.short(at), *(_shown(means[policy], at) for policy in lines)) for at in places)
    return Chart(name, title, note, draw, Table.of((label, *(one.value for one in lines)), rows), 3.2)


def _thin(axes: Axes, policy: Policy, some: Sequence[Line]) -> None:
    if len(some) > 1:
        for line in some[:SEEDS_MAX]:
            xs, ys = zip(*line, strict=True)
            axes.plot(xs, ys, color=COLOURS[policy], linewidth=0.6, alpha=0.45, drawstyle="steps-post")


def mean(lines: Sequence[Line]) -> Line:
    """Of lines that hold their value until the next point: from where the last of them begins to where the
    first of them ends."""
    start = max(line[0][0] for line in lines)
    end = max(start, min(line[-1][0] for line in lines))
    places = [start + (end - start) * number / (POINTS - 1) for number in range(POINTS)]
    return [(at, sum(value(line, at) for line in lines) / len(lines)) for at in places]


def value(line: Line, at: float) -> float:
    """The accuracy that held at a place; before the first point, that of the first."""
    return line[max(0, bisect_right(line, at, key=lambda point: point[0]) - 1)][1]


def _shown(line: Line, at: float) -> str:
    return words.decimal(value(line, at), 3) if line[0][0] <= at <= line[-1][0] else ""
