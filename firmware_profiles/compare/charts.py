"""The plots of a comparison: figures of each policy, how it learned, and what moves with the parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from firmware_profiles.compare import table
from firmware_profiles.compare.facts import ComparedFacts
from firmware_profiles.compare.policies import Policy
from firmware_profiles.compare.scores import AS_GIVEN_NAME, Comparison, Score, single_runs
from firmware_profiles.report import words
from firmware_profiles.report.axes import level, separated
from firmware_profiles.report.chart import Chart, Table
from firmware_profiles.report.palette import BLUE, INK, LIGHT, ORANGE

COLOURS = {
    Policy.OURS: BLUE,
    Policy.NAIVE: ORANGE,
    Policy.ANDROID: LIGHT["green"],
    Policy.UNGATED: LIGHT["purple"],
}
ROW_IN = 0.3
DOT = 14
MARK = 30
RATIOS = (("time to the accuracy", "hours", "o", BLUE), ("joules to the accuracy", "joules", "s", ORANGE))


@dataclass(frozen=True, slots=True)
class Figures:
    """A plot of two panels: for each, what its axis says and the figure of a score."""

    name: str
    title: str
    note: str
    left: tuple[str, Callable[[Score], float]]
    right: tuple[str, Callable[[Score], float]]


def figures(facts: ComparedFacts) -> tuple[Chart, ...]:
    """Bars of each policy for the fleet as given, a dot for each seed."""
    boards = facts.circumstances.devices
    share = f"{facts.comparison.target_share:.0%}".replace("%", " %")
    reference = facts.comparison.reference.value
    plots = (
        Figures(
            "to-accuracy",
            "To the same accuracy",
            f"Until the model is as good as {share} of what {reference} ends with. A hollow bar: some run"
            " never got there, and counts with all it used.",
            ("time to the accuracy (h)", lambda one: one.hours),
            ("energy to the accuracy (J a board)", lambda one: one.joules / boards),
        ),
        Figures(
            "spent",
            "What a whole run takes",
            "Training and radio, beside idling; bytes sent and received.",
            ("energy (J a board)", lambda one: one.joules_whole_run / boards),
            ("traffic (kB a board)", lambda one: 1000 * one.megabytes / boards),
        ),
        Figures(
            "batteries",
            "Batteries",
            "Below their owner's floor while the board trained; and run empty. Means of the runs.",
            ("batteries under the owner's floor (a run)", lambda one: one.floor_breaks / one.runs),
            ("batteries empty (a run)", lambda one: one.empty_batteries / one.runs),
        ),
        Figures(
            "work",
            "Work, and work in vain",
            "Boards that trained; and updates that a round refused or that came too late for it.",
            ("boards that trained", lambda one: one.trained),
            ("updates refused or too late (a run)", lambda one: one.lost),
        ),
        Figures(
            "fairness",
            "Fairness",
            "Jain's index of included updates: 1 when all have the same share, 1/n when one has everything.",
            ("evenness over labels", lambda one: one.fairness_labels),
            ("evenness over boards", lambda one: one.fairness_boards),
        ),
    )
    return tuple(_figures(facts, plot) for plot in plots)


def _figures(facts: ComparedFacts, plot: Figures) -> Chart:
    means = [one for one in facts.comparison.scores if one.setting == AS_GIVEN_NAME]
    runs = single_runs(facts.outcomes)

    def draw(figure: Figure) -> None:
        for axes, (unit, figure_of) in zip(
            figure.subplots(1, 2, sharey=True), (plot.left, plot.right), strict=True
        ):
            _seeds(axes, means, runs, figure_of)  # before the axis is laid, so that it reaches to all of them
            _bars(axes, means, plot.name == "to-accuracy", figure_of)
            axes.set_xlabel(unit)
            if plot.name == "fairness" or axes.dataLim.x1 <= 0:
                axes.set_xlim(0, 1.02)

    rows = (
        (one.policy.value, *(_spread(one, runs, figure_of) for _, figure_of in (plot.left, plot.right)))
        for one in means
    )
    header = ("policy", plot.left[0], plot.right[0])
    return Chart(plot.name, plot.title, plot.note, draw, Table.of(header, rows), 0.75 + ROW_IN * len(means))


def _bars(axes: Axes, means: Sequence[Score], hollow: bool, figure_of: Callable[[Score], float]) -> None:
    """`hollow` shows those that did not come to the accuracy as such."""
    for row, one in enumerate(means):
        colour = COLOURS[one.policy]
        face = "none" if hollow and one.reached < one.runs else colour
        axes.barh(row, figure_of(one), 0.62, facecolor=face, edgecolor=colour, linewidth=1.2, alpha=0.75)
    axes.set_yticks(range(len(means)), [one.policy.value for one in means])
    axes.set_ylim(len(means) - 0.45, -0.55)
    axes.set_xlim(0)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(FuncFormatter(separated))


def _seeds(
    axes: Axes, means: Sequence[Score], runs: Sequence[Score], figure_of: Callable[[Score], float]
) -> None:
    for row, one in enumerate(means):
        dots = [figure_of(run) for run in runs if run.policy is one.policy]
        axes.scatter(dots, [row] * len(dots), s=DOT, color=INK, linewidths=0, alpha=0.7, zorder=3)


def _spread(one: Score, runs: Sequence[Score], figure_of: Callable[[Score], float]) -> str:
    values = [figure_of(run) for run in runs if run.policy is one.policy]
    mean = words.short(figure_of(one))
    return mean if len(values) < 2 else f"{mean} ({words.short(min(values))} to {words.short(max(values))})"


def moved(comparison: Comparison) -> tuple[Chart, ...]:
    """Ours against each other policy in every setting; nothing if no parameter was moved."""
    others = [one for one in dict.fromkeys(row.policy for row in comparison.scores) if one is not Policy.OURS]
    settings = comparison.settings
    if len(settings) < 2 or not others or comparison.score(Policy.OURS, settings[0]) is None:
        return ()

    def draw(figure: Figure) -> None:
        grid = figure.subplots(1, len(others), sharey=True, squeeze=False)[0]
        for axes, other in zip(grid, others, strict=True):
            _dots(axes, comparison, other)
            axes.set_title(f"ours against {other.value}")
            axes.set_xlabel(f"ours / {other.value}")
        marks = [
            Line2D([], [], linestyle="", marker=marker, color=colour, markersize=5.5, label=label)
            for label, _, marker, colour in RATIOS
        ]
        grid[0].legend(handles=marks, loc="lower left", bbox_to_anchor=(0, 1.12), ncols=2, borderaxespad=0)

    header = ["setting", "under the floor (ours)", "empty (ours)"]
    header += [f"{what} / {other.value}" for other in others for what, *_ in RATIOS]
    note = (
        "Each parameter of the fleet moved by 30 % both ways. Left of the line ours needs less. A hollow"
        " mark: one of the two never got there in some run."
    )
    rows = (_moved_row(comparison, setting, others) for setting in settings)
    title = "When batteries, sun, drop-out or rate are not as thought"
    return (Chart("moved", title, note, draw, Table.of(header, rows), 1.3 + 0.26 * len(settings)),)


def _dots(axes: Axes, comparison: Comparison, other: Policy) -> None:
    settings = comparison.settings
    for _, name, marker, colour in RATIOS:
        found = [(comparison.ratio(name, Policy.OURS, other, one), row) for row, one in enumerate(settings)]
        known = [(value, row) for value, row in found if value is not None]
        faces = [colour if _all_came(comparison, other, settings[row]) else "none" for _, row in known]
        xs, ys = [value for value, _ in known], [row for _, row in known]
        drawn = axes.scatter(xs, ys, s=MARK, marker=marker, facecolors=faces, edgecolors=colour, zorder=3)
        drawn.set_linewidth(1.2)
    level(axes, 1.0)
    axes.set_xlim(0, max(1.15, 1.06 * axes.get_xlim()[1]))
    axes.set_yticks(range(len(settings)), [table.setting(one) for one in settings])
    axes.set_ylim(len(settings) - 0.45, -0.55)
    axes.tick_params(axis="y", labelcolor=INK)


def _all_came(comparison: Comparison, other: Policy, setting: str) -> bool:
    rows = (comparison.score(Policy.OURS, setting), comparison.score(other, setting))
    return all(one is not None and one.reached == one.runs for one in rows)


def _moved_row(comparison: Comparison, setting: str, others: Sequence[Policy]) -> tuple[str, ...]:
    own = comparison.score(Policy.OURS, setting)
    counts = ("", "") if own is None else (words.count(own.floor_breaks), words.count(own.empty_batteries))
    ratios = (
        comparison.ratio(name, Policy.OURS, other, setting) for other in others for _, name, *_ in RATIOS
    )
    return (table.setting(setting), *counts, *("" if one is None else words.decimal(one) for one in ratios))
