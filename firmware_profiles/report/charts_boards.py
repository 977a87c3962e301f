"""What the boards went through: who took part when, batteries, temperatures, gates, rewards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from firmware_profiles.report import words
from firmware_profiles.report.axes import Clock, bars, cells, reference, shade_legend
from firmware_profiles.report.chart import Chart, Table
from firmware_profiles.report.palette import DASHES, MUTED, SERIES
from firmware_profiles.report.record import RunRecord, Trace

COLUMNS_MAX = 120
GROUPS_MAX = 40
PANELS_MAX = 12
BOARDS_A_PANEL_MAX = 4
POINTS_MAX = 240
"""Of one line in a plot: in each of so many spans, what was lowest and highest."""
GATES_MAX = 12
LABELS_MAX = 40
CELL_IN = 0.24

Quantity = Callable[[tuple[int, float | None, float, str]], float | None]


def participation(record: RunRecord) -> tuple[Chart, ...]:
    """A heat map of groups over time; nothing if nobody took part."""
    groups = record.groups[:GROUPS_MAX]
    columns = max((len(row) for row in record.participation), default=0)
    if not groups or not columns or not any(map(any, record.participation)):
        return ()
    merged = -(-columns // COLUMNS_MAX)
    counts = [_merged(row, merged, columns) for row in record.participation[:GROUPS_MAX]]
    rates = [
        [100 * value / max(1, group.devices) for value in row]
        for group, row in zip(groups, counts, strict=True)
    ]
    clock = Clock(record.span_ms)
    width_ms = record.span_ms * merged / columns

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        top = cells(axes, [words.name(group.name) for group in groups], rates, clock.at(width_ms))
        clock.lay(axes, "when the update was trained")
        shade_legend(axes, top, f"included updates a hundred boards in {words.duration(width_ms)}")

    rows = (
        (f"from {clock.words(number * width_ms)}", *(words.count(row[number]) for row in counts))
        for number in range(len(counts[0]))
    )
    note = "When included updates were trained, by group; the darker, the more of its boards."
    header = ("time", *(words.name(group.name) for group in groups))
    height = 1.35 + CELL_IN * len(groups)
    return (Chart("participation", "Who took part, and when", note, draw, Table.of(header, rows), height),)


def batteries(record: RunRecord) -> tuple[Chart, ...]:
    """Charge of the traced boards; nothing if none has a battery."""
    traces = [one for one in record.traces if any(point[1] is not None for point in one.points)]
    note = "Charge of the boards that were looked at closely, by their number; thick while they trained."
    return _traced(record, traces, ("battery", "Batteries", note, "%"), lambda point: point[1])


def temperatures(record: RunRecord) -> tuple[Chart, ...]:
    """Of the processors of the traced boards."""
    traces = [one for one in record.traces if one.points]
    note = "Temperature of the processor of the same boards, by their number; thick while they trained."
    return _traced(record, traces, ("temperature", "Temperatures", note, "°C"), lambda point: point[2])


def gates(record: RunRecord) -> tuple[Chart, ...]:
    """How long each gate was closed, by group; nothing if none was."""
    groups = record.groups[:GROUPS_MAX]
    totals: dict[str, float] = {}
    for group in groups:
        for gate, hours in group.gates_closed_h.items():
            totals[gate] = totals.get(gate, 0) + hours
    names = [gate for gate, hours in sorted(totals.items(), key=lambda item: -item[1]) if hours][:GATES_MAX]
    if not names:
        return ()
    means = [
        [group.gates_closed_h.get(gate, 0) / max(1, group.devices) for gate in names] for group in groups
    ]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        top = cells(axes, [words.name(group.name) for group in groups], means, 1)
        for row, values in enumerate(means):
            for column, value in enumerate(values):
                if value >= 0.05:
                    _written(axes, (column + 0.5, row), f"{value:.1f}")
        axes.set_xticks([column + 0.5 for column in range(len(names))], [words.name(one) for one in names])
        axes.tick_params(axis="x", labelrotation=0 if len(names) <= 6 else 30)
        shade_legend(axes, top, "hours closed, mean of the group's boards")

    rows = (
        (words.name(group.name), *(words.decimal(value, 2) for value in row))
        for group, row in zip(groups, means, strict=True)
    )
    note = "Hours for which a gate kept a board from training; several may be closed at once."
    table = Table.of(("hours a board", *map(words.name, names)), rows)
    return (
        Chart("gates", "Hours closed, by gate and group", note, draw, table, 1.3 + CELL_IN * len(groups)),
    )


def rewards(record: RunRecord) -> tuple[Chart, ...]:
    """What the chain paid each group, by board; and updates by label."""
    groups = record.groups[:GROUPS_MAX]
    names = [words.name(group.name) for group in groups]
    values = [group.rewards / max(1, group.devices) for group in groups]
    charts = []
    if any(values):
        rows = (
            (name, words.count(group.rewards), words.short(mean),
             words.short(group.rewards / max(1, group.included)))
            for name, group, mean in zip(names, groups, values, strict=True)
        )  # fmt: skip
        header = ("group", "units", "units a board", "units an included update")
        note = "Units of balance that the chain paid for included updates, mean of the group's boards."
        charts.append(_bar_chart(("rewards", "Rewards by group", note, "units a board"), names, values,
                                 Table.of(header, rows)))  # fmt: skip
    labels = list(record.labels.items())[:LABELS_MAX]
    if any(number for _, number in labels):
        rows2 = ((words.name(label), words.count(number)) for label, number in labels)
        note = "Included updates by the label that their device has most samples of."
        charts.append(_bar_chart(("labels", "Updates by label", note, "included updates"),
                                 [words.name(label) for label, _ in labels], [number for _, number in labels],
                                 Table.of(("label", "included updates"), rows2)))  # fmt: skip
    return tuple(charts)


def _bar_chart(
    what: tuple[str, str, str, str], names: Sequence[str], values: Sequence[float], table: Table
) -> Chart:
    name, title, note, unit = what

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        bars(axes, names, [(unit, values)])
        axes.set_xlim(0)
        axes.set_xlabel(unit)

    return Chart(name, title, note, draw, table, 0.8 + CELL_IN * len(names))


def _traced(
    record: RunRecord, traces: Sequence[Trace], what: tuple[str, str, str, str], quantity: Quantity
) -> tuple[Chart, ...]:
    """A panel for each group, a line for each of its boards."""
    name, title, note, unit = what
    by_group = sorted(traces, key=lambda one: one.group)
    panels = [list(some)[:BOARDS_A_PANEL_MAX] for _, some in groupby(by_group, lambda one: one.group)]
    panels = panels[:PANELS_MAX]
    if not panels:
        return ()
    clock = Clock(record.span_ms)
    lines = -(-len(panels) // 2)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(lines, min(2, len(panels)), sharex=True, sharey=True, squeeze=False)
        for axes, panel in zip(grid.flat, panels, strict=False):
            _panel(axes, panel, clock, quantity)
        for axes in grid[:, 0]:
            axes.set_ylabel(unit)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes in grid.flat[max(0, len(panels) - 2) : len(panels)]:
            clock.lay(axes)
            axes.tick_params(labelbottom=True)
        if unit == "%":
            _floors(grid.flat, panels)

    table = Table.of(
        (
            "board",
            "group",
            f"lowest ({unit})",
            f"highest ({unit})",
            "at the end",
            "training",
            "asleep",
            "off",
        ),
        (_trace_row(one, record.span_ms, quantity) for panel in panels for one in panel),
    )
    return (Chart(name, title, note, draw, table, 0.55 + 1.35 * lines),)


def _panel(axes: Axes, panel: Sequence[Trace], clock: Clock, quantity: Quantity) -> None:
    axes.set_title(f"{words.name(panel[0].group)} · {words.name(panel[0].board)}")
    for number, trace in enumerate(panel):
        times, values, working = _line(trace, clock, quantity)
        colour = SERIES[number]
        axes.plot(
            times, values, color=colour, linewidth=1.1, linestyle=DASHES[number], label=str(trace.device)
        )
        axes.plot(times, working, color=colour, linewidth=3.2, alpha=0.75)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=len(panel), fontsize=7.5, labelcolor=MUTED,
        handlelength=1.6, handletextpad=0.4, columnspacing=0.9, borderaxespad=0.1,
    )  # fmt: skip


def _floors(grid: Iterable[Axes], panels: Sequence[Sequence[Trace]]) -> None:
    """Charge from empty to full, and where the owners want training to stop."""
    for axes, panel in zip(grid, panels, strict=False):
        axes.set_ylim(0, 103)
        if panel[0].floor_pct is not None:
            reference(axes, panel[0].floor_pct, "owner's floor")


def _line(trace: Trace, clock: Clock, quantity: Quantity) -> tuple[list[float], list[float], list[float]]:
    """Times, values, and values while it trained; a board that is off leaves a gap."""
    nan = float("nan")
    times, values, working = [], [], []
    for point in _thinned(trace, clock.span_ms, quantity):
        value = quantity(point)
        shown = nan if value is None or point[3] == "off" else value
        times.append(clock.at(point[0]))
        values.append(shown)
        working.append(shown if point[3] == "training" else nan)
    return times, values, working


def _thinned(trace: Trace, span_ms: int, quantity: Quantity) -> list[tuple[int, float | None, float, str]]:
    """Of each of many equal spans, the lowest and the highest point, and each change of state."""
    kept: list[tuple[int, float | None, float, str]] = []
    columns = groupby(trace.points, lambda one: (one[0] * POINTS_MAX // max(1, span_ms), one[3]))
    for _, points in columns:
        some = list(points)
        low = min(some, key=lambda one: quantity(one) or 0)
        high = max(some, key=lambda one: quantity(one) or 0)
        kept += sorted({some[0], low, high, some[-1]}, key=lambda one: one[0]) if len(some) > 1 else some
    return kept


def _trace_row(trace: Trace, span_ms: int, quantity: Quantity) -> tuple[str, ...]:
    values = [value for value in map(quantity, trace.points) if value is not None]
    spent: dict[str, int] = {}
    ends = [point[0] for point in trace.points[1:]] + [span_ms]
    for point, end in zip(trace.points, ends, strict=True):
        spent[point[3]] = spent.get(point[3], 0) + max(0, end - point[0])
    whole = max(1, sum(spent.values()))
    shares = (words.percent(spent.get(state, 0) / whole) for state in ("training", "asleep", "off"))
    figures = (words.decimal(value, 1) for value in (min(values), max(values), values[-1]))
    return (f"device {trace.device}", words.name(trace.group), *figures, *shares)


def _merged(row: Sequence[int], times: int, columns: int) -> list[int]:
    full = [*row, *[0] * (columns - len(row))]
    return [sum(full[start : start + times]) for start in range(0, columns, times)]


def _written(axes: Axes, at: tuple[float, float], text: str) -> None:
    axes.annotate(text, at, ha="center", va="center", fontsize=8)
